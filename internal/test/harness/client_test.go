package harness

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// clientOf returns a client that receives a stream which then ends.
func clientOf(t *testing.T, stream string) *Client {
	near, far := net.Pipe()
	sent := make(chan struct{})
	t.Cleanup(func() { near.Close(); <-sent })
	go func() {
		defer close(sent)
		io.WriteString(far, stream)
		far.Close()
	}()
	return NewClient(t, near)
}

func TestClientPrintsAsRedisCLI(t *testing.T) {
	for reply, want := range map[string]string{
		"+OK\r\n":                                "OK",
		"-ERR no\r\n":                            "(error) ERR no",
		":-1\r\n":                                "(integer) -1",
		",1.5\r\n":                               "(double) 1.5",
		"#t\r\n":                                 "(true)",
		"#f\r\n":                                 "(false)",
		"(12\r\n":                                "12",
		"_\r\n":                                  "(nil)",
		"$-1\r\n":                                "(nil)",
		"*-1\r\n":                                "(nil)",
		"$0\r\n\r\n":                             `""`,
		"$9\r\na\"\\\r\n\t\a\b\xff\r\n":          `"a\"\\\r\n\t\a\b\xff"`,
		"=6\r\ntxt:a\n\r\n":                      "a\n",
		"*0\r\n":                                 "(empty array)",
		"%0\r\n":                                 "(empty hash)",
		"~0\r\n":                                 "(empty set)",
		">0\r\n":                                 "(empty push)",
		"*2\r\n*2\r\n:1\r\n:2\r\n~1\r\n+x\r\n":   "1) 1) (integer) 1\n   2) (integer) 2\n2) 1~ x",
		"%1\r\n+k\r\n*2\r\n+a\r\n+b\r\n":         "1# k => 1) a\n   2) b",
		">1\r\n$1\r\nx\r\n":                      `1> "x"`,
		"*10\r\n" + strings.Repeat(":0\r\n", 10): " 1) (integer) 0" + strings.Join(strings.SplitAfter("\n 2)\n 3)\n 4)\n 5)\n 6)\n 7)\n 8)\n 9)\n10)", ")"), " (integer) 0"),
	} {
		c := clientOf(t, reply+"+next\r\n")
		require.Equal(t, want, c.Read())
		require.Equal(t, "+next", c.Line())
		c.RequireRest("")
		c = clientOf(t, reply+"+next\r\n")
		require.Equal(t, reply[:strings.IndexByte(reply, '\n')+1], c.Discard())
		require.Equal(t, "+next", c.Text())
	}
}

func TestClientOfWhatIsNoReply(t *testing.T) {
	for _, stream := range []string{"", "+OK", "\r\n", "?\r\n", "$x\r\n", "$-2\r\n", "$3\r\nab", "$1\r\nabc", "=1\r\na\r\n", "*2\r\n+a\r\n"} {
		_, err := clientOf(t, stream).TryRead()
		require.Error(t, err, "%q", stream)
	}
}

func TestClientSends(t *testing.T) {
	near, far := net.Pipe()
	c := NewClient(t, near)
	sent := make(chan string)
	go func() {
		all, _ := io.ReadAll(far)
		sent <- string(all)
	}()
	c.Send("PING", "PING\nPING\r\nPING")
	c.SendWords("ECHO", "\n")
	c.Close()
	require.Equal(t, strings.Repeat("PING\r\n", 4)+"*2\r\n$4\r\nECHO\r\n$1\r\n\n\r\n", <-sent)
}

func TestClientReturnsTextAsItCame(t *testing.T) {
	for reply, want := range map[string]string{"$4\r\n\"\r\nx\r\n": "\"\r\nx", "=5\r\ntxt:a\r\n": "txt:a", "$0\r\n\r\n": "", "$-1\r\n": "$-1", "-ERR no\r\n": "-ERR no"} {
		require.Equal(t, want, clientOf(t, reply).Text())
	}
}
