//go:build unix

package server

import "syscall"

// cpuTime returns the process's CPU time in seconds, in the kernel and in user
// code.
func cpuTime() (sys, user float64) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	return seconds(u.Stime), seconds(u.Utime)
}

func seconds(t syscall.Timeval) float64 { return float64(t.Nano()) / 1e9 }
