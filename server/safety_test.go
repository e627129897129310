package server_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/server"
)

// TestMethodsOfServerMayBeCalledFromAnyGoroutine calls them all at once, while
// clients come, block, publish and go. The race detector does the rest. A method
// that has no case here fails.
func TestMethodsOfServerMayBeCalledFromAnyGoroutine(t *testing.T) {
	s, err := server.Start(server.Options{Addr: "127.0.0.1:0"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	inspect := func(state *commands.State) {
		for _, c := range state.WaitingCalls() {
			_ = len(c.Args)
		}
		for _, l := range state.Clients.All() {
			_ = l.InFlight()
		}
		_ = state.UsedMemory()
	}
	calls := map[string]func(){
		"Exec":        func() { s.Exec(func(c *commands.Context) { c.Publish([]byte("c"), []byte("m")) }) },
		"Addr":        func() { s.Addr() },
		"Check":       func() { require.NoError(t, s.Check()) },
		"Close":       nil, // at the end
		"Dial":        func() { talkBriefly(s.Dial()) },
		"Do":          func() { s.Do(ctx, "ZADD", "z", 1, "m"); s.Do(ctx, "ZPOPMIN", "z") },
		"Inspect":     func() { s.Inspect(inspect) },
		"Metrics":     func() { s.Metrics() },
		"Now":         func() { s.Now() },
		"Ping":        func() { s.Ping(ctx) },
		"UpdateHooks": func() { s.UpdateHooks(inspect) },
		"TLSAddr":     func() { s.TLSAddr() },
		"URL":         func() { s.URL() },
		"DialContext": func() {
			talkBriefly(s.DialContext(ctx, "", ""))
			talkBriefly(net.Dial("tcp", s.Addr()))
		},
		"Serve": func() {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				s.Serve(l)
			}()
			talkBriefly(net.Dial("tcp", l.Addr().String()))
			l.Close()
			<-ended
		},
	}
	methods := reflect.TypeFor[*server.Server]()
	var names []string
	for i := range methods.NumMethod() {
		names = append(names, methods.Method(i).Name)
	}
	for name := range calls {
		require.Contains(t, names, name)
	}
	var wg sync.WaitGroup
	for _, name := range names {
		call, known := calls[name]
		require.True(t, known, "Server.%s is called by nobody here", name)
		if call == nil {
			continue
		}
		for range 2 {
			wg.Go(func() {
				for range 50 {
					call()
				}
			})
		}
	}
	wg.Wait()
	for range 2 {
		wg.Go(func() { require.NoError(t, s.Close()) })
	}
	wg.Wait()
	for name, call := range calls { // a server that is closed can be asked, too
		if call != nil && name != "DialContext" && name != "Serve" && name != "Dial" {
			call()
		}
	}
}

// talkBriefly is a client that comes, does a little, and leaves while it waits.
func talkBriefly(conn net.Conn, err error) {
	if err != nil {
		return
	}
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, "WATCH a b c\r\nPING\r\nBZPOPMIN a b c z 0\r\n")
	conn.Read(make([]byte, 100))
	conn.Close()
}

// TestFunctionsOfServerNeedNoLock: those that are exported take nothing that a lock
// guards. A new one has to be looked at.
func TestFunctionsOfServerNeedNoLock(t *testing.T) {
	safe := []string{"New", "NewManualClock", "ParseLogLevel", "Start"}
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var found []string
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.IsExported() {
				found = append(found, f.Name.Name)
			}
		}
	}
	slices.Sort(found)
	require.Equal(t, safe, found)
}

// Calls that wait can be looked at while clients block and leave.
func TestWaitingCallsAreListedUnderTheLock(t *testing.T) {
	s := newServer(t, server.Options{})
	conn, err := s.Dial()
	require.NoError(t, err)
	_, err = io.WriteString(conn, "BZPOPMIN z 0\r\n")
	require.NoError(t, err)
	var listed []string
	s.Inspect(func(state *commands.State) {
		for _, c := range state.WaitingCalls() {
			listed = append(listed, c.Command.Name+" of "+strconv.FormatInt(c.Client.ID, 10))
		}
	})
	require.Equal(t, []string{"bzpopmin of 1"}, listed)
}
