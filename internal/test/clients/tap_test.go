package clienttest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
)

// A tap stands before a server and notes what passes.
type tap struct {
	target target // the way through it
	server string

	wg    sync.WaitGroup
	mu    sync.Mutex // guards heard
	heard []*conversation
}

type conversation struct{ calls, replies bytes.Buffer }

func listenIn(t *testing.T, to target) *tap {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &tap{target: newTarget(t, l.Addr().String(), to.Socket, to.Password), server: to.addr()}
	p.target.Extension = to.Extension
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Add(1)
			go p.pass(client)
		}
	}()
	t.Cleanup(func() { l.Close() })
	return p
}

// pass carries one connection until both sides have ended it.
func (p *tap) pass(client net.Conn) {
	defer p.wg.Done()
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	c := new(conversation)
	p.mu.Lock()
	p.heard = append(p.heard, c)
	p.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(client, io.TeeReader(server, &c.replies))
		client.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(server, io.TeeReader(client, &c.calls))
	server.(*net.TCPConn).CloseWrite()
	<-done
}

// conversations waits for the end of all connections and writes down what was
// said on each, in the order of what was said: which came first is chance.
func (p *tap) conversations(t *testing.T) string {
	p.wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	var texts []string
	for _, c := range p.heard {
		texts = append(texts, c.text(t))
	}
	slices.Sort(texts)
	return strings.Join(texts, "\n")
}

// text writes each call with its reply.
func (c *conversation) text(t *testing.T) string {
	calls, replies := all(t, &c.calls), all(t, &c.replies)
	require.Len(t, replies, len(calls))
	var b strings.Builder
	for i, call := range calls {
		reply := withoutChance(replies[i])
		if setInfo.MatchString(reply) {
			reply = "OK" // what a Redis answers from 7.2 on, and parley
		}
		fmt.Fprintf(&b, "> %q\n%s\n", call.Strings(), reply)
	}
	return b.String()
}

func all(t *testing.T, b *bytes.Buffer) (list []resp.Value) {
	for r := resp.NewReader(b); ; {
		v, err := r.Read()
		if err == io.EOF {
			return list
		}
		require.NoError(t, err)
		list = append(list, v)
	}
}

var (
	setInfo  = regexp.MustCompile(`(?i)^\(error\) ERR unknown subcommand 'setinfo'`)
	identity = regexp.MustCompile(`("id"\n *\d+\) |"id" => )\(integer\) \d+`)
	// What libraries read in INFO.
	readInfo = regexp.MustCompile(`(?m)^(redis_version|redis_mode|role|loading|connected_slaves|master_link_status):.*$`)
)

// withoutChance writes a reply without what is never the same.
func withoutChance(reply resp.Value) string {
	if strings.HasPrefix(reply.Text(), "# Server\r\n") {
		return strings.Join(readInfo.FindAllString(reply.Text(), -1), "\n")
	}
	return identity.ReplaceAllString(reply.String(), "${1}(integer) ...")
}
