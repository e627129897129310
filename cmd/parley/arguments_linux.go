package main

import "unsafe"

// overwriteArgument replaces each byte of s, a part of os.Args, by an asterisk. On Linux the
// strings of os.Args lie in writable memory, which /proc/PID/cmdline shows.
func overwriteArgument(s string) {
	bytes := unsafe.Slice(unsafe.StringData(s), len(s))
	for i := range bytes {
		bytes[i] = '*'
	}
}
