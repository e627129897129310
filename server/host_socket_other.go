//go:build !unix

package server

import (
	"errors"
	"io/fs"
	"net"
)

func listenUnixAs(string, fs.FileMode) (net.Listener, error) {
	return nil, errors.New("unix socket: permissions cannot be set on this system")
}
