//go:build unix

package server

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// backlog is the maximum number of connections that wait to be accepted, as in
// Redis.
const backlog = 511

// listenUnixAs listens on a unix socket whose permissions are mode.
//
// The socket gets its permissions before it listens, and clients cannot connect
// before it listens, so others never can. (Setting the umask instead would
// change it for the whole process, and net.Listen listens at once.)
func listenUnixAs(path string, mode fs.FileMode) (net.Listener, error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, fmt.Errorf("unix socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close() // FileListener duplicates it
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		return nil, fmt.Errorf("unix socket %s: bind: %w", path, err)
	}
	l, err := listenWithMode(file, fd, path, mode)
	if err != nil {
		os.Remove(path)
	}
	return l, err
}

// listenWithMode sets the permissions of a bound socket and makes it listen.
func listenWithMode(file *os.File, fd int, path string, mode fs.FileMode) (net.Listener, error) {
	if err := os.Chmod(path, mode); err != nil {
		return nil, fmt.Errorf("unix socket: %w", err)
	}
	if err := syscall.Listen(fd, backlog); err != nil {
		return nil, fmt.Errorf("unix socket %s: listen: %w", path, err)
	}
	l, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("unix socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(true) // as net.Listen does
	return l, nil
}
