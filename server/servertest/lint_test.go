package servertest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

func linted(t testing.TB, l servertest.Lint) *servertest.Server {
	return servertest.New(t, func(o *servertest.Options) { o.Lint = l })
}

func found(s *servertest.Server) (list []string) {
	for _, f := range s.Findings() {
		list = append(list, f.String())
	}
	return list
}

// A test of code that will run on Redis 6.2 in a cluster.
func TestExampleLint(t *testing.T) {
	s := servertest.New(t, func(o *servertest.Options) {
		o.Lint = servertest.LintAll()
		o.Lint.Version = "6.2"
		o.Lint.TTLPrefixes = []string{"session:"}
		o.Lint.Fail = []servertest.Rule{servertest.RuleSInter} // the others are logged
	})
	app := connect(t, s)
	app.AskLine("CLIENT SETNAME app", "SET session:1 alice", "SET session:2 bob EX 60")
	app.AskLine("SET room:1 open", "EXPIRE room:1 60 NX", "EXPIRE room:1 90 NX")
	app.AskLine("DEL {room:1}:members room:2")

	var list []string
	for _, f := range s.Findings() {
		list = append(list, f.String())
	}
	require.Equal(t, []string{
		"version: EXPIRE with NX needs Redis 7.0.0; 2 times, first by client 1 name=app: EXPIRE room:1 60 NX",
		"ttl: a key under session: has no TTL; 1 time, first by client 1 name=app: SET session:1 alice",
		"cross-slot: DEL with keys in several slots: a cluster answers CROSSSLOT; 1 time, first by client 1 name=app: DEL {room:1}:members room:2",
	}, list)
}

func TestNothingIsFoundUnlessAskedFor(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	connect(t, s).AskLine("SET k v EX 1 NX GET", "DEL a b")
	require.Empty(t, s.Findings())
}

func TestNewerOptionsAreFound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ version, call, what string }{
		{"6.2", "SET k v GET", ""},
		{"6.1", "SET k GET GET", "SET with GET needs Redis 6.2.0"},
		{"6.1", "SET k GET", ""}, // a value
		{"6.2", "SET k v NX GET", "SET with NX and GET together needs Redis 7.0.0"},
		{"5", "SET k v KEEPTTL", "SET with KEEPTTL needs Redis 6.0.0"},
		{"6.0", "SET k v PXAT 99999999999999", "SET with PXAT needs Redis 6.2.0"},
		{"6.0.20", "ZADD z GT CH 1 a", "ZADD with GT needs Redis 6.2.0"},
		{"6.0", "ZADD z 1 GT", ""}, // a member
		{"6.2", "EXPIRE k 1 LT", "EXPIRE with LT needs Redis 7.0.0"},
		{"7.0", "EXPIRE k 1 LT", ""},
		{"6.0", "ZRANGE z 0 -1 REV", "ZRANGE with REV needs Redis 6.2.0"},
		{"5.0", "SCAN 0 TYPE set", "SCAN with TYPE needs Redis 6.0.0"},
		{"5.0", "SCAN 0 MATCH type", ""},
		{"6.0", "CLIENT KILL LADDR x:1", "CLIENT KILL with LADDR needs Redis 6.2.0"},
		{"6.2", "CONFIG SET maxmemory 0 maxclients 100", "CONFIG SET with several parameters needs Redis 7.0.0"},
		{"3.0", "SPOP s 1", "SPOP with a count needs Redis 3.2.0"},
		{"7.0", "HEXPIRE h 1 FIELDS 1 f", "HEXPIRE needs Redis 7.4.0"},
		{"7.0.15", "CLIENT NO-TOUCH on", "CLIENT NO-TOUCH needs Redis 7.2.0"},
		{"6.2", "SINTERCARD 1 s", "SINTERCARD needs Redis 7.0.0"},
		{"6.2", "GETDEL k", ""},
		{"6.0", "GETDEL k", "GETDEL needs Redis 6.2.0"},
	} {
		s := linted(t, servertest.Lint{Version: test.version})
		c := connect(t, s)
		c.Send(test.call)
		c.Line()
		var what []string
		for _, f := range s.Findings() {
			what = append(what, f.What)
		}
		require.Equal(t, test.what, strings.Join(what, ", "), "%s on %s", test.call, test.version)
	}
}

func TestKeysInSeveralSlotsAreFound(t *testing.T) {
	t.Parallel()
	s := linted(t, servertest.Lint{CrossSlot: true})
	c := connect(t, s)
	c.AskLine("DEL {u}:1 {u}:2", "DEL u {u}", "GET a", "GET b")
	require.Empty(t, found(s))
	c.AskLine("MULTI", "GET {u}:1", "PING", "GET {u}:2")
	c.Send("EXEC")
	c.Skip(4)
	require.Empty(t, found(s))
	c.AskLine("MULTI", "GET a", "GET b", "DISCARD", "GET b", "RENAME a b")
	require.Equal(t, []string{
		"cross-slot: MULTI with keys in several slots, at GET: a cluster answers CROSSSLOT; 1 time, first by client 1: GET b",
		"cross-slot: RENAME with keys in several slots: a cluster answers CROSSSLOT; 1 time, first by client 1: RENAME a b",
	}, found(s))
}

func TestKeysAndIntersectionsAreFound(t *testing.T) {
	t.Parallel()
	s := linted(t, servertest.LintAll())
	c := connect(t, s)
	c.AskLine("SADD {r}:m 1", "ZADD {r}:online 1 2", "SINTER {r}:m {r}:m", "SINTER {r}:m {r}:online", "SINTERCARD 2 {r}:m {r}:online", "KEYS none*")
	require.Equal(t, []string{
		"keys: KEYS blocks all clients while it scans all keys: use SCAN; 1 time, first by client 1: KEYS none*",
		"sinter: SINTER over a sorted set: Redis answers WRONGTYPE; 1 time, first by client 1: SINTER {r}:m {r}:online",
		"sinter: SINTERCARD over a sorted set: Redis answers WRONGTYPE; 1 time, first by client 1: SINTERCARD 2 {r}:m {r}:online",
	}, found(s)[:3])
}

func TestKeysWithoutTTLAreFoundAtTheEnd(t *testing.T) {
	t.Parallel()
	s := linted(t, servertest.Lint{TTLPrefixes: []string{"online:"}})
	c := connect(t, s)
	c.AskLine("SET online:1 1", "SET online:2 1", "SET online:3 1 EX 5", "SET other 1")
	require.Len(t, found(s), 1)
	require.Equal(t, 2, s.Findings()[0].Count)
	c.AskLine("EXPIRE online:1 5", "DEL online:2")
	require.Empty(t, found(s))
	c.AskLine("PERSIST online:1")
	require.NoError(t, s.Close())
	require.Equal(t, []string{"ttl: a key under online: has no TTL; 1 time, first by client 1: PERSIST online:1"}, found(s))
}

func TestSubscriptionsNeverGivenUpAreFound(t *testing.T) {
	t.Parallel()
	s := linted(t, servertest.Lint{Subscriptions: true, Abandoned: true})
	a, b := connect(t, s), connect(t, s)
	a.Send("SUBSCRIBE room:1", "PSUBSCRIBE room:*")
	b.Send("SUBSCRIBE room:1", "SSUBSCRIBE shard", "SUNSUBSCRIBE shard")
	b.Close()
	s.Close()
	require.Equal(t, []string{
		"subscriptions: a client disconnected while subscribed to room:1; 1 time, first by client 2",
		"subscriptions: still subscribed to pattern room:*; 1 time, first by client 1",
		"subscriptions: still subscribed to room:1; 1 time, first by client 1",
	}, found(s))
}

func TestFindingsAreLoggedOrFailTheTest(t *testing.T) {
	t.Parallel()
	for _, fail := range [][]servertest.Rule{nil, servertest.AllRules()} {
		f := &fakeTest{TB: t}
		s := servertest.New(f, func(o *servertest.Options) { o.Lint = servertest.Lint{Keys: true, Fail: fail} })
		_, err := s.Do(t.Context(), "KEYS", "*")
		require.NoError(t, err)
		if failure := f.end(); fail == nil {
			require.Empty(t, failure)
		} else {
			require.Equal(t, "lint: keys: KEYS blocks all clients while it scans all keys: use SCAN; 1 time, first by Do: KEYS *", failure)
		}
	}
	require.EqualError(t, servertest.New(t).StartLint(servertest.Lint{Version: "new"}), `servertest: lint: not a version: "new"`)
	require.EqualError(t, servertest.New(t).StartLint(servertest.Lint{Fail: []servertest.Rule{"x"}}), "servertest: lint: no such rule: x")
}
