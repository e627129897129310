package commands

// A Notice is a kind of thing that a command tells the operator of. The server
// has the words for it, and its level in the log.
type Notice int

// The notices, and what comes with each.
const (
	AuthFailed           Notice = iota // user
	ClientEvicted                      // bytes
	ConfigSet                          // parameter, value; before it is in force, lest who silences the log is not seen
	ShutdownAsked                      //
	SaveRefused                        //
	SortedSetIntersected               // key
	UsersNotSaved                      // error
	WrongReply                         // command, replies
	Notices              = iota
)

// TellOperator tells the operator of something, with keys and values as log/slog takes
// them. Values may be what a client has sent: the server quotes and cuts them.
func (c *Context) TellOperator(n Notice, args ...any) {
	if c.Host.TellOperator != nil {
		c.Host.TellOperator(n, c.Client, args...)
	}
}
