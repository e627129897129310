//go:build !linux

package server

// Other systems do not tell without code of their own.

func machineMemory() uint64 { return 0 }

func processMemory() func() uint64 { return nil }
