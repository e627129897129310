package main

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/testkit"
	"github.com/parley-chat/parley/server"
)

// With --test the program belongs to whoever has started it: a run of tests, in any
// language, whose clients have the command TEST.

func startForTests(o server.Options) (*server.Server, error) {
	r, err := testkit.StartForClients(o)
	if err != nil {
		return nil, err
	}
	return r.Server, nil
}

// untilEOF calls end when stdin has been closed, as it is when the process at its
// other end goes, killed even. What comes before is nothing to anybody. It ends with
// stdin, or with the program.
func untilEOF(stdin io.Reader, end func()) {
	io.Copy(io.Discard, stdin) // that it fails is an end, too
	end()
}

// forTests sees to what goes with --test: what else the command line may say, and
// what holds where it says nothing.
func (o *options) forTests(given map[string]bool, bind string, port *int, debug, level *string) error {
	switch {
	case given["seed"] && !o.test:
		return errors.New("seed: only with --test")
	case given["adversarial-scans"] && !o.test:
		return errors.New("adversarial-scans: only with --test")
	case given["seed"] && o.server.Seed == 0:
		return errors.New("seed 0: want at least 1")
	case !o.test:
		return nil
	}
	if ip := net.ParseIP(bind); bind != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("bind %q: with --test only an address of this machine, as 127.0.0.1", bind)
	}
	if !given["port"] {
		*port = 0
	}
	if !given["enable-debug-command"] {
		*debug = string(commands.DebugLocal)
	}
	if !given["loglevel"] {
		*level = "warning" // what tests do to a server is no news to them
	}
	return nil
}
