package commands

// A LogEvent is a kind of thing that a command tells the operator of. The server
// has the words for it, and its level in the log.
type LogEvent int

// The notices, and what comes with each.
const (
	AuthFailed           LogEvent = iota // user
	ClientEvicted                        // bytes
	ConfigSet                            // parameter, value; before it is in force, lest who silences the log is not seen
	ShutdownAsked                        //
	SaveRefused                          //
	SortedSetIntersected                 // key
	UsersNotSaved                        // error
	WrongReply                           // command, replies
	LogEvents            = iota
)

// logEvent tells the operator of something, with keys and values as log/slog takes
// them. Values may be what a client has sent: the server quotes and cuts them.
func (c *Context) logEvent(n LogEvent, args ...any) {
	if c.Host.LogEvent != nil {
		c.Host.LogEvent(n, c.Client, args...)
	}
}
