package server

import "github.com/parley-chat/parley/commands/resp"

const errMaxClients = resp.Error("ERR max number of clients reached")

// errProtected is Redis's text, word for word. Its advice holds here, too, except for the
// configuration file.
const errProtected = resp.Error("DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default " +
	"user. In this mode connections are only accepted from the loopback interface. If you want to connect from external " +
	"computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command " +
	"'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is " +
	"running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make " +
	"this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration " +
	"file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server " +
	"manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication password " +
	"for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting " +
	"connections from the outside.")

// checkAdmission returns the error that refuses a connection, or nil. The checks are in
// Redis's order.
func (e *engine) checkAdmission(c *caller) error {
	config := &e.state.Config
	switch {
	case e.state.Clients.Len() >= config.MaxClients:
		e.log.log(eventMaxClients, "addr", quoted(c.client.Addr), "maxclients", config.MaxClients)
		return errMaxClients
	case config.ProtectedMode && e.state.Users.Default().NoPass() && isRemote(c.ip):
		e.log.log(eventProtectedMode, "addr", quoted(c.client.Addr))
		return errProtected
	case !c.inProcess && e.unauthenticated.Load() >= config.MaxUnauthenticated() && !e.state.Users.Default().Passwordless():
		e.log.log(eventUnauthenticatedClients, "addr", quoted(c.client.Addr))
		return errMaxClients
	}
	return nil
}

// countUnauthenticated updates the number of connections that must authenticate and have
// not, when a caller changes from was to is.
func (e *engine) countUnauthenticated(c *caller, was, is bool) {
	switch {
	case c.inProcess || was == is:
	case is:
		e.unauthenticated.Add(1)
	default:
		e.unauthenticated.Add(-1)
	}
}

// forgetUnauthenticated stops counting a connection that ends. A killed client counts
// until then.
func (e *engine) forgetUnauthenticated(c *caller) {
	if now := c.limits.Load(); now != nil && now.unauthenticated {
		gone := *now
		gone.unauthenticated = false
		c.limits.Store(&gone)
		e.countUnauthenticated(c, true, false)
	}
}
