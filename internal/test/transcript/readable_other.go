//go:build !unix

package transcript

import "net"

// readable is for recording, which needs a redis-server: there is none on this
// system.
func readable(net.Conn) bool { return false }
