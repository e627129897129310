//go:build race

package server_test

// raceDetector says that memory and times are not what they are without it.
const raceDetector = true
