package commands

// What is under way is for tests that wait until nothing is.

// InFlight is what a connection has not come to the end of.
type InFlight struct {
	Running  bool // calls run, or are about to
	Closing  bool // it is being closed
	Input    int  // bytes that have come in and not run
	Output   int  // bytes of replies and messages that the client has not taken, or the system for it
	Messages int  // how many messages are in those, at most
}

// InFlight tells what of the client's connection is; nothing is of one without.
func (l *Client) InFlight() InFlight { return l.peer().InFlight() }
