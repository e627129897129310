package server

import (
	"net"
	"syscall"
)

// rawConnOf returns nil: readiness is not known on Windows, and connections are not parked.
func rawConnOf(net.Conn) syscall.RawConn { return nil }

func readable(uintptr) bool { return true }

func socketReadiness(syscall.RawConn) (unknown readiness) { return unknown }
