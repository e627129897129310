//go:build race

package main

// raceDetector: what a process takes of memory tells nothing of the program.
const raceDetector = true
