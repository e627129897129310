package testkit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// A Rule is a kind of finding.
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

// AllRules returns the rules.
func AllRules() []Rule { return slices.Clone(ruleOrder) }

// A Lint says which calls to report that work here and would fail or be harmful
// on a real Redis. The zero value reports nothing.
type Lint struct {
	// Version is the version of Redis that the code will run on: "7.0.15", or
	// "6.2" for the last 6.2 release. Calls that need a newer version are
	// reported. "": none are.
	Version string

	Keys      bool // KEYS, which blocks all clients while it scans all keys
	CrossSlot bool // calls, or the calls of one MULTI, with keys in several cluster slots

	// TTLPrefixes are prefixes of keys that must expire. Keys that calls have
	// written are reported if they have no deadline when findings are listed,
	// or the server closes.
	TTLPrefixes []string

	SInter        bool // SINTER and its variants on sorted sets, which parley allows and Redis rejects
	Subscriptions bool // those held when the server closes, or findings are listed
	Abandoned     bool // those of clients that disconnected without unsubscribing, which is how most libraries close

	// Fail lists the rules whose findings fail the test; others are logged.
	Fail []Rule
}

// LintAll turns on everything that needs no key names, except Abandoned, for
// the version of Redis that parley implements.
func LintAll() Lint {
	return Lint{Version: "7.0.15", Keys: true, CrossSlot: true, SInter: true, Subscriptions: true}
}

// enabled reports whether anything is to be reported.
func (l *Lint) enabled() bool {
	return l.Version != "" || l.Keys || l.CrossSlot || len(l.TTLPrefixes) > 0 || l.SInter || l.Subscriptions || l.Abandoned
}

// A Finding is one cause, with the number of times it was found.
type Finding struct {
	Rule  Rule
	What  string
	Count int
	Fail  bool // as in Lint.Fail

	// Client, Name and Words are those of the first call; passwords are
	// redacted.
	Client int64
	Name   string
	Words  []string

	who string
}

// String formats the finding as "version: SET with GET needs Redis 6.2.0; 2
// times, first by client 3 name=app: SET k v GET".
func (f Finding) String() string {
	text := fmt.Sprintf("%s: %s; %s, first by %s", f.Rule, f.What, counted(f.Count, "time"), f.who)
	if len(f.Words) > 0 {
		text += ": " + quoteWords(f.Words)
	}
	return text
}

// A linter collects findings. The server's lock guards it.
type linter struct {
	Lint
	version     redisVersion
	found       map[[2]string]*Finding // by rule and cause
	slots       map[int64]int          // of clients in MULTI: the slot of their keys so far
	trackedKeys map[trackedKey]*Finding
	closed      bool
}

// A trackedKey is a key that must expire.
type trackedKey struct {
	db  int
	key string
}

// maxTrackedKeys limits the number of tracked keys.
const maxTrackedKeys = 100_000

// StartLint starts to check calls. It discards earlier findings.
func (r *Kit) StartLint(l Lint) error {
	version, ok := parseRedisVersion(l.Version)
	if !ok {
		return fmt.Errorf("servertest: lint: not a version: %q", l.Version)
	}
	for _, rule := range l.Fail {
		if !slices.Contains(ruleOrder, rule) {
			return errors.New("servertest: lint: no such rule: " + string(rule))
		}
	}
	var t *linter
	if l.enabled() {
		t = &linter{Lint: l, version: version, found: map[[2]string]*Finding{}, slots: map[int64]int{}, trackedKeys: map[trackedKey]*Finding{}}
	}
	r.control.Inspect(func(s *commands.State) {
		r.lint = t
		s.ExtensionUsed = nil
		if l.SInter {
			s.ExtensionUsed = t.onExtended
		}
	})
	return nil
}

// restartLint discards the findings, and continues with the same settings.
func (r *Kit) restartLint() error {
	var l Lint
	r.control.Inspect(func(*commands.State) {
		if r.lint != nil {
			l = r.lint.Lint
		}
	})
	return r.StartLint(l)
}

// Findings returns the findings so far, ordered by rule and text; after Close,
// those at that time.
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

// onCall checks a call that has arrived.
func (t *linter) onCall(l *commands.Client, m *commands.Command, args [][]byte) {
	if t.closed || m == nil || !m.Accepts(len(args)) {
		return
	}
	if t.Version != "" {
		t.checkVersion(l, m, args)
	}
	if t.Keys && m.Name == "keys" {
		t.add(RuleKeys, "KEYS blocks all clients while it scans all keys: use SCAN", l, m, args)
	}
	if t.CrossSlot {
		t.checkSlots(l, m, args)
	}
	if len(t.TTLPrefixes) > 0 && m.Has(commands.Write) {
		t.trackKeys(l, m, args)
	}
}

// onExtended reports a call that Redis would have rejected.
func (t *linter) onExtended(l *commands.Client, m *commands.Command, args [][]byte) {
	if !t.closed {
		t.add(RuleSInter, strings.ToUpper(m.Name)+" over a sorted set: Redis answers WRONGTYPE", l, m, args)
	}
}

// trackKeys tracks the keys of a call that must expire.
func (t *linter) trackKeys(l *commands.Client, m *commands.Command, args [][]byte) {
	uses, _ := m.Keys.In(args)
	for _, u := range uses {
		key := trackedKey{l.DB, string(u.Key)}
		if t.prefix(key.key) != "" && len(t.trackedKeys) < maxTrackedKeys {
			t.trackedKeys[key] = t.finding(RuleTTL, "", l, m, args)
		}
	}
}

// prefix returns the first prefix that a key has, or "".
func (t *linter) prefix(key string) string {
	for _, p := range t.TTLPrefixes {
		if strings.HasPrefix(key, p) {
			return p
		}
	}
	return ""
}

// onLeft checks a client that disconnects.
func (t *linter) onLeft(s *commands.Channels, l *commands.Client) {
	delete(t.slots, l.ID)
	if t.Abandoned && !t.closed {
		for _, what := range subscriptions(s, l) {
			t.add(RuleSubscriptions, "a client disconnected while subscribed to "+what, l, nil, nil)
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

// onClosed adds the findings of the state when the server closes.
func (t *linter) onClosed(s *commands.State) {
	rest := t.stateFindings(s)
	t.closed = true
	for _, f := range rest {
		t.found[[2]string{string(f.Rule), f.What}] = f
	}
}

// stateFindings returns the findings of the current state, as opposed to calls.
func (t *linter) stateFindings(s *commands.State) []*Finding {
	now := &linter{Lint: t.Lint, found: map[[2]string]*Finding{}}
	keys := make([]trackedKey, 0, len(t.trackedKeys))
	for k := range t.trackedKeys {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b trackedKey) int { return cmp.Or(cmp.Compare(a.db, b.db), cmp.Compare(a.key, b.key)) })
	for _, k := range keys {
		if db := s.Databases[k.db]; db.Peek([]byte(k.key), 0) != nil {
			if _, hasDeadline := db.Deadline([]byte(k.key)); hasDeadline {
				continue
			}
			now.addKey(t.trackedKeys[k], t.prefix(k.key))
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

// list returns the findings, sorted.
func (t *linter) list(s *commands.State) (list []Finding) {
	for _, f := range t.found {
		list = append(list, *f)
	}
	if !t.closed {
		for _, f := range t.stateFindings(s) {
			list = append(list, *f)
		}
	}
	slices.SortFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(ruleOrder, a.Rule), slices.Index(ruleOrder, b.Rule)), cmp.Compare(a.What, b.What))
	})
	return list
}
