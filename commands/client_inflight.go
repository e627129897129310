package commands

// What is under way is for tests that wait until nothing is.

// InFlight is the unfinished work of a connection.
type InFlight struct {
	Running  bool // calls run, or are about to
	Closing  bool // it is being closed
	Input    int  // bytes that have come in and not run
	Output   int  // bytes of replies and messages that the client has not taken, or the system for it
	Messages int  // how many messages are in those, at most
}

// InFlight returns the unfinished work of the client's connection; none without a
// connection.
func (l *Client) InFlight() InFlight { return l.peer().InFlight() }
