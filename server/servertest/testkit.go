package servertest

import "github.com/parley-chat/parley/internal/testkit"

// The types that methods of Server take and return. `parley --test` offers the
// same to tests in other languages.
type (
	// Kit is a server under the control of a test. Its methods return errors; the
	// methods of Server with the same names fail the test instead.
	Kit = testkit.Kit

	Call      = testkit.Call      // a call that the server has received
	Fault     = testkit.Fault     // a fault, and the calls it applies to: see Server.Inject
	Cut       = testkit.Cut       // where a Fault ends the connection
	Injection = testkit.Injection // a fault that has been injected
	Lint      = testkit.Lint      // which calls are reported because they would fail or be harmful on a real Redis
	Rule      = testkit.Rule      // one thing that Lint looks for
	Finding   = testkit.Finding   // a call that broke a Rule
	Member    = testkit.Member    // a member of a sorted set, with its score
	Message   = testkit.Message   // a message that a Recorder has received
	Snapshot  = testkit.Snapshot  // all data at one moment: see Kit.Snapshot and Server.Restore
)

// The points at which a connection may end. After CutNoReply, CutMidReply and
// CutAfter the call has taken effect.
const (
	CutBefore   = testkit.CutBefore   // the call does not run
	CutNoReply  = testkit.CutNoReply  // the reply is lost
	CutMidReply = testkit.CutMidReply // half of the reply arrives
	CutAfter    = testkit.CutAfter    // the reply arrives
)

// The rules of Lint, each documented there.
const (
	RuleVersion       = testkit.RuleVersion
	RuleKeys          = testkit.RuleKeys
	RuleTTL           = testkit.RuleTTL
	RuleCrossSlot     = testkit.RuleCrossSlot
	RuleSInter        = testkit.RuleSInter
	RuleSubscriptions = testkit.RuleSubscriptions
)

// Errors of the methods of Kit, compared with errors.Is.
var (
	ErrClockRuns    = testkit.ErrClockRuns
	ErrRecorderFull = testkit.ErrRecorderFull
	ErrTooFar       = testkit.ErrTooFar
)

// LintAll returns the settings of Lint with all rules on.
func LintAll() Lint { return testkit.LintAll() }

// AllRules returns all rules of Lint.
func AllRules() []Rule { return testkit.AllRules() }

// ParseFault parses the text of a Fault, such as "command=incr client=app nth=1
// cut=no-reply".
func ParseFault(text string) (Fault, error) { return testkit.ParseFault(text) }
