//go:build unix

package server

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// rawConnOf returns the socket of a TCP or unix connection, nil for others.
func rawConnOf(conn net.Conn) syscall.RawConn {
	if !resumable(conn) {
		return nil
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// readable reports whether a read would return at once, be it with an error.
func readable(fd uintptr) bool { return pollSocket(fd, unix.POLLIN).input }

// socketReadiness polls a socket. It is the zero value if socket is nil.
func socketReadiness(socket syscall.RawConn) (r readiness) {
	if socket != nil {
		socket.Control(func(fd uintptr) { r = pollSocket(fd, unix.POLLIN|unix.POLLOUT) })
	}
	return r
}

func pollSocket(fd uintptr, events int16) readiness {
	p := []unix.PollFd{{Fd: int32(fd), Events: events}}
	if _, err := unix.Poll(p, 0); err != nil {
		return readiness{input: true} // a read returns the error
	}
	const ended = unix.POLLERR | unix.POLLHUP | unix.POLLNVAL
	return readiness{
		input:  p[0].Revents&(unix.POLLIN|ended) != 0,
		output: p[0].Revents&unix.POLLOUT != 0,
	}
}
