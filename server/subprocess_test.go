package server_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/server"
)

// reliability asks for the long form of the tests whose figures stand in
// docs/RELIABILITY.md, beside redis-server.
var reliability = flag.Bool("reliability", false, "measure at full size, and redis-server as well")

// subprocessVariable makes this program a server, for subprocesses.
const subprocessVariable = "PARLEY_TEST_SUBPROCESS"

// A subprocess is a server in a process of its own: what that takes of memory and
// of the processor is the server's alone.
type subprocess struct {
	name, addr      string
	*harness.Client // for administration
}

// subprocesses are parley and, at full size, redis-server.
func subprocesses(t *testing.T) []*subprocess {
	all := []*subprocess{{name: "parley", addr: startSubprocess(t)}}
	if *reliability {
		all = append(all, &subprocess{name: "redis-server", addr: redistest.Start(t).Addr()})
	}
	for _, c := range all {
		c.Client = c.dial(t)
	}
	return all
}

// serveInSubprocess serves until standard input ends: with TLS if there are words that
// name a certificate and its key.
func serveInSubprocess() {
	var o server.Options
	if len(os.Args) == 3 {
		o.TLSAddr, o.TLSFiles = "127.0.0.1:0", server.TLSFiles{Cert: os.Args[1], Key: os.Args[2], AuthClients: "no"}
	}
	s, err := server.Start(o)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.Addr() + s.TLSAddr()) // there is only one
	io.Copy(io.Discard, os.Stdin)
	s.Close()
}

func startSubprocess(t *testing.T, words ...string) (addr string) {
	command := exec.Command(os.Args[0], words...)
	command.Env = append(os.Environ(), subprocessVariable+"=1")
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	require.NoError(t, err)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		in.Close()
		require.NoError(t, command.Wait())
	})
	addr, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(addr)
}

func (c *subprocess) dial(t *testing.T) *harness.Client {
	conn, err := net.Dial("tcp", c.addr)
	require.NoError(t, err)
	return harness.NewClient(t, conn)
}

// info is a number in INFO.
func (c *subprocess) info(field string) float64 {
	c.Send("INFO everything")
	v, err := resp.NewReader(c.R).Read()
	require.NoError(c.T, err)
	_, text, found := strings.Cut(v.Str, "\n"+field+":")
	require.True(c.T, found, field)
	text, _, _ = strings.Cut(text, "\r")
	n, err := strconv.ParseFloat(text, 64)
	require.NoError(c.T, err)
	return n
}

// resident is what the process has of the memory, in bytes; 0 where the system
// does not tell.
func (c *subprocess) resident() float64 { return c.info("used_memory_rss") }

// percentile is what all but so many of a hundred took at most.
func percentile(times []time.Duration, p float64) time.Duration {
	slices.Sort(times)
	return times[min(len(times)-1, int(float64(len(times))*p/100))]
}
