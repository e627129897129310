//go:build unix

package server

import "syscall"

// openFiles raises the limit of open files to want if it can, and returns the
// limit.
func openFiles(want uint64) (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	if uint64(limit.Cur) >= want {
		return uint64(limit.Cur), nil
	}
	for _, raised := range []syscall.Rlimit{rlimit(want, max(want, uint64(limit.Max))), rlimit(min(want, uint64(limit.Max)), uint64(limit.Max))} {
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
			return uint64(raised.Cur), nil
		}
	}
	return uint64(limit.Cur), nil
}
