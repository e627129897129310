package server

import (
	"fmt"
	"math"
)

// reservedFiles is the number of file descriptors reserved for everything but
// clients, as in Redis.
const reservedFiles = 32

// clientsWithinFiles returns how many of n clients the limit of open files
// allows. It raises the process's limit if it can.
func clientsWithinFiles(n int) int {
	files, err := openFiles(uint64(n) + reservedFiles)
	if err != nil { // the limit is unknown
		return n
	}
	return min(n, int(min(files, math.MaxInt32))-reservedFiles)
}

// limitClientsToFiles lowers maxclients to what the limit of open files allows,
// and makes CONFIG SET maxclients check the limit.
func (s *Server) limitClientsToFiles() error {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	config := &e.state.Config
	asked := config.MaxClients
	switch most := clientsWithinFiles(asked); {
	case most < 1:
		return fmt.Errorf("maxclients %d: the limit of open files is too low: raise 'ulimit -n'", asked)
	case most < asked:
		config.MaxClients = most
		e.log.log(eventMaxClientsLowered, "asked", asked, "maxclients", most)
		e.publishSettings()
	}
	config.LimitClients = clientsWithinFiles
	return nil
}
