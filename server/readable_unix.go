//go:build unix

package server

import (
	"net"
	"syscall"
)

// socket is the socket of a connection that can be asked whether there is input;
// nil for others.
func socket(conn net.Conn) syscall.RawConn {
	if !resumable(conn) {
		return nil
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// readable reports whether reading would not have to wait, be it for an error.
func readable(fd uintptr) bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	return err != syscall.EAGAIN
}
