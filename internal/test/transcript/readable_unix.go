//go:build unix

package transcript

import (
	"net"
	"syscall"
	"time"
)

// readable reports without blocking whether a socket has data, or its end. A
// read with a deadline would not do: if the deadline has passed before the read
// begins, as on a busy machine, it hides data.
func readable(c net.Conn) (yes bool) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	c.SetReadDeadline(time.Time{}) // an old deadline that has passed would end this
	raw.Read(func(fd uintptr) (done bool) {
		err := syscall.EINTR
		for err == syscall.EINTR {
			_, _, e := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			err, _ = e.(syscall.Errno)
		}
		yes = err != syscall.EAGAIN
		return true
	})
	return yes
}
