package server

import (
	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/control"
)

// What tests of package server_test use besides the API.

func (o Options) WithCommands(rows ...commands.Command) Options {
	o.commands = append(rows, o.commands...)
	return o
}

func (o Options) WithHooks(h control.Hooks) Options {
	o.hooks = h
	return o
}

func (s *Server) Inspect(f func(*commands.State))      { control.Of(s).Inspect(f) }
func (s *Server) UpdateHooks(f func(*commands.State))  { control.Of(s).UpdateHooks(f) }
func (s *Server) Exec(f func(*commands.Context)) error { return control.Of(s).Exec(f) }
