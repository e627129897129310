package commands

// A LogEvent is an event that commands report to the operator's log. The server has its text
// and level.
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

// logEvent writes an event to the operator's log, with keys and values as log/slog takes
// them. Values may be client input: the server quotes and shortens them.
func (c *Context) logEvent(n LogEvent, args ...any) {
	if c.Host.LogEvent != nil {
		c.Host.LogEvent(n, c.Client, args...)
	}
}
