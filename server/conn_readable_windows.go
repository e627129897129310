package server

import (
	"net"
	"syscall"
)

// socket is nil: no connection is asked for its state, or whether there is input
// before a buffer is there for it.
func socket(net.Conn) syscall.RawConn { return nil }

func readable(uintptr) bool { return true }

func ready(syscall.RawConn) (unknown readiness) { return unknown }
