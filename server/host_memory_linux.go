package server

import (
	"fmt"
	"os"
	"syscall"
)

// machineMemory returns the machine's memory in bytes; 0: unknown.
func machineMemory() uint64 {
	var s syscall.Sysinfo_t
	if syscall.Sysinfo(&s) != nil {
		return 0
	}
	return uint64(s.Totalram) * uint64(s.Unit)
}

// processMemory returns a function that reads the process's resident memory in
// bytes; nil: the system does not say.
func processMemory() func() uint64 {
	if residentPages() == 0 {
		return nil
	}
	return func() uint64 { return residentPages() * uint64(os.Getpagesize()) }
}

func residentPages() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident uint64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		return 0
	}
	return resident
}
