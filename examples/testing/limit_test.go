package limit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	limit "github.com/parley-chat/parley/examples/testing"
	"github.com/parley-chat/parley/server/servertest"
)

// newLimiter returns a limiter on a server of the test's own, which is closed at the end
// of the test. Lint fails the test if a key of the limiter has no deadline by then, or
// if a command needs a newer Redis than 7.0.
func newLimiter(t *testing.T) (*limit.Limiter, *servertest.Server) {
	s := servertest.New(t, func(o *servertest.Options) {
		o.Lint.Version = "7.0"
		o.Lint.TTLPrefixes = []string{"limit:"}
		o.Lint.Fail = []servertest.Rule{servertest.RuleVersion, servertest.RuleTTL}
	})
	return &limit.Limiter{Redis: s, Max: 2, Window: 10 * time.Second}, s
}

func requireAllowed(t *testing.T, l *limit.Limiter, user string, want bool) {
	t.Helper()
	allowed, err := l.Allow(t.Context(), user)
	require.NoError(t, err)
	require.Equal(t, want, allowed)
}

// Time stands still until Advance moves it: this test takes no ten seconds.
func TestWindowEnds(t *testing.T) {
	t.Parallel()
	l, s := newLimiter(t)

	requireAllowed(t, l, "ann", true)
	requireAllowed(t, l, "ann", true)
	requireAllowed(t, l, "ann", false)
	requireAllowed(t, l, "bob", true)

	s.Advance(l.Window)
	requireAllowed(t, l, "ann", false) // a key exists up to and including its deadline
	s.Advance(time.Millisecond)
	requireAllowed(t, l, "ann", true)
}

// A fault answers one call with the error that redis-server sends while it loads its
// data. The counter then has no deadline, and the next call must set it.
func TestDeadlineIsRepaired(t *testing.T) {
	t.Parallel()
	l, s := newLimiter(t)
	s.Inject(servertest.Fault{Command: "pexpire", Nth: 1, Error: "LOADING"})

	_, err := l.Allow(t.Context(), "ann")
	require.ErrorContains(t, err, "LOADING Redis is loading the dataset in memory")
	_, hasDeadline := s.DB(0).TTL("limit:ann")
	require.False(t, hasDeadline)

	requireAllowed(t, l, "ann", true)
	left, _ := s.DB(0).TTL("limit:ann")
	require.Equal(t, l.Window, left)
}
