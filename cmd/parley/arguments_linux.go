package main

import "unsafe"

// overwriteArgument replaces each byte of a part of os.Args by an asterisk. On Linux the
// strings in os.Args lie in the memory of which /proc/PID/cmdline is a view, and which the
// process may write to.
func overwriteArgument(s string) {
	bytes := unsafe.Slice(unsafe.StringData(s), len(s))
	for i := range bytes {
		bytes[i] = '*'
	}
}
