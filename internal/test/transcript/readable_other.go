//go:build !unix

package transcript

import "net"

// readable is for recording, which needs a redis-server: there is none here.
func readable(net.Conn) bool { return false }
