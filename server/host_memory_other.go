//go:build !linux

package server

// Other systems need system-specific code to read these.

func machineMemory() uint64 { return 0 }

func processMemory() func() uint64 { return nil }
