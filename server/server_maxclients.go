package server

import (
	"fmt"
	"math"
)

// reservedFiles are those that the process is left for all but clients, as in
// Redis.
const reservedFiles = 32

// clientsFor is how many of so many clients the system can handle. It raises the
// process's limit of open files if it can.
func clientsWithinFiles(n int) int {
	files, err := openFiles(uint64(n) + reservedFiles)
	if err != nil { // nobody knows
		return n
	}
	return min(n, int(min(files, math.MaxInt32))-reservedFiles)
}

// fitClients lowers maxclients to what the system can handle, and has CONFIG SET
// hold to it.
func (s *Server) limitClientsToFiles() error {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	config := &e.state.Config
	asked := config.MaxClients
	switch most := clientsWithinFiles(asked); {
	case most < 1:
		return fmt.Errorf("maxclients %d: the process may open too few files: raise 'ulimit -n'", asked)
	case most < asked:
		config.MaxClients = most
		e.log.log(eventMaxClientsLowered, "asked", asked, "maxclients", most)
		e.publishSettings()
	}
	config.LimitClients = clientsWithinFiles
	return nil
}
