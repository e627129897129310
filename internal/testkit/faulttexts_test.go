package testkit_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/testkit"
	"github.com/parley-chat/parley/server"
)

func TestFaultTexts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]testkit.Fault{
		`command=get,mget key=user:* client=app nth=3 error="ERR it broke"`: {Command: "get,mget", Key: "user:*", Client: "app", Nth: 3, Error: "ERR it broke"},
		`command=@write chance=0.1 error=READONLY`:                          {Command: "@write", Chance: 0.1, Error: "READONLY"},
		`client=app-* cut=no-reply may-miss`:                                {Client: "app-*", Cut: testkit.CutNoReply, MayMiss: true},
		`id=7 from=2 times=3 delay=1.5s`:                                    {ID: 7, From: 2, Times: 3, Delay: 1500 * time.Millisecond},
		`channel=room:1 client=phone drop`:                                  {Channel: "room:1", Client: "phone", Drop: true},
		`client=app partition`:                                              {Client: "app", Partition: true},
		``:                                                                  {},
	} {
		f, err := testkit.ParseFault(text)
		require.NoError(t, err, text)
		require.Equal(t, want, f, text)
		require.Equal(t, text, f.String())
	}
	f, err := testkit.ParseFault(`ERROR=x`)
	require.ErrorContains(t, err, `no word "ERROR"`, f)
	for text, want := range map[string]string{
		`command=get comand=get`: `no word "comand"`,
		`key=a key=b`:            "key twice",
		`key`:                    "key needs a value",
		`key=`:                   "key needs a value",
		`hold=yes`:               "hold takes no value",
		`nth=x`:                  "nth: ",
		`delay=5`:                "delay: ",
		`cut=here`:               "cut: want one of before, no-reply, mid-reply, after",
		`error="ERR x`:           "a quote is not closed",
		"key=a\x00b":             "a quote is not closed",
	} {
		_, err := testkit.ParseFault(text)
		require.ErrorContains(t, err, want, text)
	}
}

// ParseFault parses every text that String returns.
func TestFaultTextsComeBack(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		b := make([]byte, r.IntN(6))
		for i := range b {
			b[i] = byte(1 + r.IntN(255))
		}
		return string(b)
	}
	for range 2000 {
		f := testkit.Fault{Command: word(), Key: word(), Channel: word(), Client: word(), ID: r.Int64(), Nth: r.IntN(3), From: r.IntN(3), Times: r.IntN(3),
			Chance: float64(r.IntN(3)) / 7, Error: word(), Delay: time.Duration(r.Int64N(1e12)), Cut: testkit.Cut(r.IntN(5)),
			Hold: r.IntN(2) == 0, Partition: r.IntN(2) == 0, Drop: r.IntN(2) == 0, Double: r.IntN(2) == 0, MayMiss: r.IntN(2) == 0}
		again, err := testkit.ParseFault(f.String())
		require.NoError(t, err, f.String())
		require.Equal(t, f, again)
	}
}

func TestFaultsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	r, err := testkit.New(server.Options{})
	require.NoError(t, err)
	defer r.Close()
	for _, c := range []struct {
		fault testkit.Fault
		want  string
	}{
		{testkit.Fault{}, "no effect"},
		{testkit.Fault{Error: "READONLY", Cut: testkit.CutAfter}, "more than one effect"},
		{testkit.Fault{Drop: true, Double: true}, "more than one effect"},
		{testkit.Fault{Drop: true, Delay: 1}, "delay excludes"},
		{testkit.Fault{Delay: -1}, "negative"},
		{testkit.Fault{Nth: 1, From: 1, Error: "OOM"}, "nth and from"},
		{testkit.Fault{Chance: 1.5, Error: "OOM"}, "chance is"},
		{testkit.Fault{Cut: 9}, "no such Cut"},
		{testkit.Fault{Drop: true, Key: "a"}, "drop and double exclude"},
		{testkit.Fault{Partition: true}, "need a client or an id"},
		{testkit.Fault{Hold: true, Command: "get"}, "need a client or an id"},
		{testkit.Fault{Error: "OOPS"}, "no predefined error"},
		{testkit.Fault{Error: "ERR a\r\n+OK"}, "line break"},
		{testkit.Fault{Command: "gte", Error: "OOM"}, `no command "gte"`},
		{testkit.Fault{Command: "get,", Error: "OOM"}, `no command ""`},
		{testkit.Fault{Command: "@wrong", Error: "OOM"}, `no command "@wrong"`},
		{testkit.Fault{Command: "client|lost", Error: "OOM"}, `no command "client|lost"`},
	} {
		_, err := r.Inject(c.fault)
		require.ErrorContains(t, err, c.want, "%s", c.fault)
	}
}
