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

// startForTests starts a server with the command TEST, which lets a test run in any
// language control it.
func startForTests(o server.Options) (*server.Server, error) {
	r, err := testkit.StartForClients(o)
	if err != nil {
		return nil, err
	}
	return r.Server, nil
}

// untilEOF calls end when stdin is closed, which happens when the parent process exits or
// is killed. It discards the input. The goroutine that runs it ends with stdin or the program.
func untilEOF(stdin io.Reader, end func()) {
	io.Copy(io.Discard, stdin) // an error ends the input, too
	end()
}

// applyTestMode checks the options that go with --test, and sets the defaults of test mode.
func (o *options) applyTestMode() error {
	v := &o.flags
	given, bind := v.given, v.bind
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
		v.port = 0
	}
	if !given["enable-debug-command"] {
		v.debug = string(commands.DebugLocal)
	}
	if !given["loglevel"] {
		v.logLevel = "warning" // tests cause the rest themselves
	}
	return nil
}
