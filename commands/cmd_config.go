package commands

import (
	"bytes"

	"github.com/parley-chat/parley/datastructs"
)

var configRows = []Command{
	{
		Name: "config", Syntax: "",
		Summary: "Holds the commands about the server's parameters.",
		Since:   "2.0.0", Group: "server", Complexity: "That of the subcommand",
		Arity: -2,
		Subs: []Command{
			{
				Name: "get", Syntax: "parameter [parameter ...]",
				Summary: "Tells the values of parameters, which may be named by patterns.",
				Since:   "2.0.0", Group: "server", Complexity: "O(N), N being the number of names given",
				Arity: -3, Flags: Admin | NoScript | Loading | Stale,
				Run: configGet,
			},
			{
				Name: "help", Syntax: "",
				Summary: "Lists these subcommands.",
				Since:   "5.0.0", Group: "server", Complexity: "O(1)",
				Arity: 2, Flags: Loading | Stale,
				Run: Help,
			},
			{
				Name: "resetstat", Syntax: "",
				Summary: "Sets the counters of INFO to zero.",
				Since:   "2.0.0", Group: "server", Complexity: "O(1)",
				Arity: 2, Flags: Admin | NoScript | Loading | Stale,
				Run: configResetStat,
			},
			{
				Name: "rewrite", Syntax: "",
				Summary: "Writes the parameters to the configuration file, which this server does not have.",
				Since:   "2.8.0", Group: "server", Complexity: "O(1)",
				Arity: 2, Flags: Admin | NoScript | Loading | Stale,
				Run: configRewrite,
			},
			{
				Name: "set", Syntax: "parameter value [parameter value ...]",
				Summary: "Changes parameters, all of them or none.",
				Since:   "2.0.0", Group: "server", Complexity: "O(N), N being the number of parameters given",
				Arity: -4, Flags: Admin | NoScript | Loading | Stale,
				Tips:    []string{"request_policy:all_nodes", "response_policy:all_succeeded"},
				Secrets: configSetSecrets,
				Run:     configSet,
			},
		},
	},
}

// configGet lists each parameter once, whichever names and patterns match it.
func configGet(c *Context) error {
	mark, n := c.Mark(), 0
	given := make([]bool, len(parameters))
	give := func(i int, name string) {
		if !given[i] {
			given[i] = true
			c.BulkString(name)
			c.BulkString(parameters[i].get(c))
			n++
		}
	}
	for _, pattern := range c.Args[2:] {
		if !bytes.ContainsAny(pattern, "[*?") {
			if i := parameterNamed(pattern); i >= 0 {
				give(i, string(pattern)) // as the client writes it, like Redis
			}
			continue
		}
		for i := range parameters {
			if datastructs.Match(pattern, []byte(parameters[i].name), true) {
				give(i, parameters[i].name)
			}
		}
	}
	c.CloseMap(mark, n)
	return nil
}

// configSet works on a draft, so that after an error nothing has changed.
func configSet(c *Context) error {
	pairs := c.Args[2:]
	if len(pairs)%2 != 0 {
		return ErrSyntax
	}
	chosen, err := chooseParameters(pairs)
	if err != nil {
		return err
	}
	draft := c.Config
	for i, p := range chosen {
		if err := p.set(&draft, string(pairs[2*i+1])); err != nil {
			return configSetError(p.name, err)
		}
	}
	for i, p := range chosen {
		c.logEvent(ConfigSet, "parameter", p.name, "value", shown(p, pairs[2*i+1]))
	}
	before := c.Config.Password
	c.Config.apply(draft)
	if draft.Password != before {
		c.ApplyRequirePass()
	}
	c.Configured()
	c.OK()
	return nil
}

// shown is a value as others may see it.
func shown(p *parameter, value []byte) []byte {
	if p.secret {
		return redacted
	}
	return value
}

// chooseParameters finds what is to be set; each may be named once.
func chooseParameters(pairs [][]byte) ([]*parameter, error) {
	chosen := make([]*parameter, 0, min(len(pairs)/2, len(parameters)))
	taken := make([]bool, len(parameters))
	for i := 0; i < len(pairs); i += 2 {
		name := string(cut(pairs[i], len(pairs[i])))
		switch at := parameterNamed(pairs[i]); {
		case at < 0:
			return nil, Errorf("ERR Unknown option or number of arguments for CONFIG SET - '%s'", name)
		case parameters[at].set == nil:
			return nil, configSetError(name, errImmutable)
		case taken[at]:
			return nil, configSetError(name, errDuplicate)
		default:
			taken[at] = true
			chosen = append(chosen, &parameters[at])
		}
	}
	return chosen, nil
}

func configSetError(name string, err error) error {
	return Errorf("ERR CONFIG SET failed (possibly related to argument '%s') - %v", name, err)
}

func configResetStat(c *Context) error {
	c.Stats.Reset(c.Table)
	c.Eviction.resetTimes()
	c.OK()
	return nil
}

func configRewrite(*Context) error {
	return Errorf("ERR The server is running without a config file")
}
