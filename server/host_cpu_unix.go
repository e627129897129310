//go:build unix

package server

import "syscall"

// cpuTime tells the seconds that the process has spent in the system and in its
// own code.
func cpuTime() (sys, user float64) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	return seconds(u.Stime), seconds(u.Utime)
}

func seconds(t syscall.Timeval) float64 { return float64(t.Nano()) / 1e9 }
