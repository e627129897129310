package commands

// replies is what a client has asked for with CLIENT REPLY.
type replies struct {
	off      bool // none, until it asks for them again
	skip     bool // none to the call under way, or to the next one between calls
	skipNext bool // none to the call behind the one under way
	ended    bool // none any more: the client is being closed
}

// Muted reports whether the client is sent nothing but messages for now.
func (l *Client) Muted() bool { return l.replies.off || l.replies.skip || l.replies.ended }

// EndCall is to be called once a call of the client is over: answered, refused or
// queued. Then SKIP begins to hold, and ceases to.
func (c *Context) EndCall() {
	r := &c.Client.replies
	if r.skip || r.skipNext {
		r.skip, r.skipNext = r.skipNext, false
		c.Mute(c.Client.Muted())
	}
}
