package server

import "syscall"

// cpuTime returns the process's CPU time in seconds, in the kernel and in user
// code.
func cpuTime() (sys, user float64) {
	var created, exited, kernel, own syscall.Filetime
	self, err := syscall.GetCurrentProcess()
	if err != nil || syscall.GetProcessTimes(self, &created, &exited, &kernel, &own) != nil {
		return 0, 0
	}
	return seconds(kernel), seconds(own)
}

// seconds converts a duration: Filetime counts units of 100 ns.
func seconds(t syscall.Filetime) float64 {
	return float64(int64(t.HighDateTime)<<32|int64(t.LowDateTime)) / 1e7
}
