//go:build !unix

package server

// openFiles: there is no limit that is known.
func openFiles(want uint64) (uint64, error) { return want, nil }
