package testkit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// A Rule is one kind of finding.
type Rule string

// The rules, in the order in which findings are listed.
const (
	RuleVersion       Rule = "version"
	RuleKeys          Rule = "keys"
	RuleTTL           Rule = "ttl"
	RuleCrossSlot     Rule = "cross-slot"
	RuleSInter        Rule = "sinter"
	RuleSubscriptions Rule = "subscriptions"
)

var ruleOrder = []Rule{RuleVersion, RuleKeys, RuleTTL, RuleCrossSlot, RuleSInter, RuleSubscriptions}

// AllRules lists the rules.
func AllRules() []Rule { return slices.Clone(ruleOrder) }

// A Lint says what is found that works here and would surprise on a real Redis.
// The zero value finds nothing.
type Lint struct {
	// Version is the Redis that the code will meet: "6.2", which is the last of its
	// line, or "7.0.15". Newer commands and options are found. "": none.
	Version string

	Keys      bool // KEYS, which holds up everybody while it walks through all keys
	CrossSlot bool // calls, or the calls of one MULTI, with keys in several slots of a cluster

	// TTLPrefixes are beginnings of keys that must expire: those are found that
	// calls have written and that have no deadline when the findings are listed, or
	// the server closes.
	TTLPrefixes []string

	SInter        bool // SINTER and its kin over sorted sets, which parley allows and Redis refuses
	Subscriptions bool // those held when the server closes, or the findings are listed
	Abandoned     bool // those of clients that left without ending them, which is how most libraries close

	// Fail is of which rules findings fail the test; others are logged.
	Fail []Rule
}

// LintAll finds all that needs no names of keys, but for abandoned subscriptions,
// for a Redis of the version that parley is like.
func LintAll() Lint {
	return Lint{Version: "7.0.15", Keys: true, CrossSlot: true, SInter: true, Subscriptions: true}
}

// on reports whether anything is to be found.
func (l *Lint) on() bool {
	return l.Version != "" || l.Keys || l.CrossSlot || len(l.TTLPrefixes) > 0 || l.SInter || l.Subscriptions || l.Abandoned
}

// A Finding is one cause, however often it was found.
type Finding struct {
	Rule  Rule
	What  string
	Count int
	Fail  bool // as Lint.Fail says

	// The first time: who, and the words of the call, its passwords redacted.
	Client int64
	Name   string
	Words  []string

	who string
}

// String is the finding as "version: SET with GET needs Redis 6.2.0; 2 times, first
// by client 3 name=app: SET k v GET".
func (f Finding) String() string {
	text := fmt.Sprintf("%s: %s; %s, first by %s", f.Rule, f.What, counted(f.Count, "time"), f.who)
	if len(f.Words) > 0 {
		text += ": " + quoteWords(f.Words)
	}
	return text
}

// A linter finds. The server's lock guards it.
type linter struct {
	Lint
	version release
	found   map[[2]string]*Finding // by rule and cause
	slots   map[int64]int          // of clients in MULTI: the slot of their keys so far
	written map[writtenKey]*Finding
	closed  bool
}

// A writtenKey is one that must expire.
type writtenKey struct {
	db  int
	key string
}

// maxWritten is how many keys that must expire are followed.
const maxWritten = 100_000

// StartLint begins to look at calls. To call it again begins anew.
func (r *Kit) StartLint(l Lint) error {
	version, ok := parseRelease(l.Version)
	if !ok {
		return fmt.Errorf("servertest: lint: not a version: %q", l.Version)
	}
	for _, rule := range l.Fail {
		if !slices.Contains(ruleOrder, rule) {
			return errors.New("servertest: lint: no such rule: " + string(rule))
		}
	}
	var t *linter
	if l.on() {
		t = &linter{Lint: l, version: version, found: map[[2]string]*Finding{}, slots: map[int64]int{}, written: map[writtenKey]*Finding{}}
	}
	r.control.Inspect(func(s *commands.State) {
		r.lint = t
		s.ExtensionUsed = nil
		if l.SInter {
			s.ExtensionUsed = t.extended
		}
	})
	return nil
}

// restartLint forgets what was found, and looks for the same again.
func (r *Kit) restartLint() error {
	var l Lint
	r.control.Inspect(func(*commands.State) {
		if r.lint != nil {
			l = r.lint.Lint
		}
	})
	return r.StartLint(l)
}

// Findings lists what was found so far, in the order of the rules and of their
// words; after Close, as it was then.
func (r *Kit) Findings() (list []Finding) {
	r.control.Inspect(func(s *commands.State) {
		if r.lint != nil {
			list = r.lint.list(s)
		}
	})
	return list
}

// add counts a finding.
func (t *linter) add(rule Rule, what string, l *commands.Client, m *commands.Command, args [][]byte) {
	at := [2]string{string(rule), what}
	f := t.found[at]
	if f == nil {
		f = t.finding(rule, what, l, m, args)
		t.found[at] = f
	}
	f.Count++
}

func (t *linter) finding(rule Rule, what string, l *commands.Client, m *commands.Command, args [][]byte) *Finding {
	f := &Finding{Rule: rule, What: what, Client: l.ID, Name: l.Name, who: clientText(l), Fail: slices.Contains(t.Fail, rule)}
	if len(args) > 0 {
		f.Words = toStrings(m.Redact(args))
	}
	return f
}

// call looks at a call that has come in.
func (t *linter) call(l *commands.Client, m *commands.Command, args [][]byte) {
	if t.closed || m == nil || !m.Accepts(len(args)) {
		return
	}
	if t.Version != "" {
		t.lookAtVersion(l, m, args)
	}
	if t.Keys && m.Name == "keys" {
		t.add(RuleKeys, "KEYS walks through all keys while everybody waits: SCAN does not", l, m, args)
	}
	if t.CrossSlot {
		t.lookAtSlots(l, m, args)
	}
	if len(t.TTLPrefixes) > 0 && m.Has(commands.Write) {
		t.follow(l, m, args)
	}
}

// extended is told of calls that Redis would have refused.
func (t *linter) extended(l *commands.Client, m *commands.Command, args [][]byte) {
	if !t.closed {
		t.add(RuleSInter, strings.ToUpper(m.Name)+" over a sorted set: Redis answers WRONGTYPE", l, m, args)
	}
}

// follow notes the keys of a call that must expire.
func (t *linter) follow(l *commands.Client, m *commands.Command, args [][]byte) {
	uses, _ := m.Keys.In(args)
	for _, u := range uses {
		key := writtenKey{l.DB, string(u.Key)}
		if t.prefix(key.key) != "" && len(t.written) < maxWritten {
			t.written[key] = t.finding(RuleTTL, "", l, m, args)
		}
	}
}

// prefix is the first prefix that a key has, or "".
func (t *linter) prefix(key string) string {
	for _, p := range t.TTLPrefixes {
		if strings.HasPrefix(key, p) {
			return p
		}
	}
	return ""
}

// left looks at a client that leaves.
func (t *linter) left(s *commands.Channels, l *commands.Client) {
	delete(t.slots, l.ID)
	if t.Abandoned && !t.closed {
		for _, what := range subscriptions(s, l) {
			t.add(RuleSubscriptions, "a client has left, subscribed to "+what, l, nil, nil)
		}
	}
}

func subscriptions(s *commands.Channels, l *commands.Client) (list []string) {
	for kind, what := range []string{"", "pattern ", "shard channel "} {
		for _, name := range s.Of(l, commands.SubscriptionKind(kind)) {
			list = append(list, what+name)
		}
	}
	return list
}

// close notes what there is at the end.
func (t *linter) close(s *commands.State) {
	rest := t.standing(s)
	t.closed = true
	for _, f := range rest {
		t.found[[2]string{string(f.Rule), f.What}] = f
	}
}

// standing is what is found by looking at the state, and not at calls.
func (t *linter) standing(s *commands.State) []*Finding {
	now := &linter{Lint: t.Lint, found: map[[2]string]*Finding{}}
	keys := make([]writtenKey, 0, len(t.written))
	for k := range t.written {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b writtenKey) int { return cmp.Or(cmp.Compare(a.db, b.db), cmp.Compare(a.key, b.key)) })
	for _, k := range keys {
		if db := s.Databases[k.db]; db.Peek([]byte(k.key), 0) != nil {
			if _, hasDeadline := db.Deadline([]byte(k.key)); hasDeadline {
				continue
			}
			now.addKey(t.written[k], t.prefix(k.key))
		}
	}
	if t.Subscriptions {
		for _, l := range s.Clients.All() {
			for _, what := range subscriptions(&s.Channels, l) {
				now.add(RuleSubscriptions, "still subscribed to "+what, l, nil, nil)
			}
		}
	}
	list := make([]*Finding, 0, len(now.found))
	for _, f := range now.found {
		list = append(list, f)
	}
	return list
}

func (t *linter) addKey(first *Finding, prefix string) {
	what := "a key under " + prefix + " has no TTL"
	at := [2]string{string(RuleTTL), what}
	if t.found[at] == nil {
		f := *first
		f.What = what
		t.found[at] = &f
	}
	t.found[at].Count++
}

// list sorts what was found.
func (t *linter) list(s *commands.State) (list []Finding) {
	for _, f := range t.found {
		list = append(list, *f)
	}
	if !t.closed {
		for _, f := range t.standing(s) {
			list = append(list, *f)
		}
	}
	slices.SortFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(ruleOrder, a.Rule), slices.Index(ruleOrder, b.Rule)), cmp.Compare(a.What, b.What))
	})
	return list
}
