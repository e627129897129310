package oracle

import (
	"slices"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// users makes rules for some users on one connection, and calls by them on
// another: who may do what, how rules are described, and what is kept of
// refusals.
func users(g *Generator) Call {
	for len(g.pending) == 0 {
		switch g.rand.IntN(10) {
		case 0, 1:
			user := g.pick(userNames)
			g.add(0, append([]string{"ACL", "SETUSER", user}, g.rules(6)...))
			g.add(0, []string{"ACL", "GETUSER", user})
		case 2:
			g.add(1, []string{"AUTH", g.pick(userNames), g.pick([]string{"p", "p", "q", ""})})
		case 3:
			g.add(0, append([]string{"ACL", "DRYRUN", g.pick(userNames)}, g.call(g.row())...))
		case 4:
			g.add(0, g.fill([]string{"ACL LIST", "ACL USERS", "ACL LOG 20", "ACL LOG", "ACL LOG RESET", "ACL WHOAMI",
				"ACL SETUSER gone on", "ACL DELUSER gone nosuch", "ACL DRYRUN NAME"}, map[string]func() string{"NAME": func() string { return g.pick(strange) }}))
		case 5:
			for _, words := range [][]string{{"MULTI"}, g.plainCall(), g.plainCall(), {"EXEC"}} {
				g.add(1, words)
				if g.chance(0.1) {
					g.add(0, append([]string{"ACL", "SETUSER", g.pick(userNames)}, g.rules(2)...))
				}
			}
		default:
			g.add(1, g.plainCall())
		}
	}
	return g.Next()
}

var userNames = []string{"ann", "bob", "eve"}

// plainCall makes a call that is sent as it stands.
func (g *Generator) plainCall() []string {
	for {
		words := g.call(g.row())
		if rule := rowRule(words); rule.alone == nil && !strings.EqualFold(words[0], "RESET") {
			return words
		}
	}
}

func (g *Generator) rules(n int) []string {
	list := []string{}
	if g.chance(0.3) {
		list = append(list, g.pick([]string{"reset", "-@all", "resetkeys", "clearselectors"}))
	}
	if g.chance(0.7) {
		list = append(list, "on", ">p", g.pick([]string{"+@all", "+@read", "+@write", "+@string", "+@connection"}), g.keyRule())
	}
	for range g.rand.IntN(n) {
		list = append(list, g.rule())
	}
	return list
}

func (g *Generator) rule() string {
	switch g.rand.IntN(20) {
	case 0:
		return g.pick([]string{"on", "ON", "off", "nopass", "resetpass", ">p", ">q", "<p", "<q", "sanitize-payload", "skip-sanitize-payload", ""})
	case 1:
		const hash = "148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940"
		return g.pick([]string{"#", "!"}) + g.pick([]string{hash, hash[1:], strings.ToUpper(hash)})
	case 2:
		return "(" + strings.Join(g.selectorRules(), " ") + ")"
	case 3:
		return g.pick([]string{"(", ")", "(+get", "~k*)", "clearselectors", "reset", g.pick(strange)})
	}
	return g.selectorRule()
}

func (g *Generator) selectorRules() []string {
	list := []string{g.pick([]string{"+@all", "+@read", "+@write"}), g.keyRule()}
	for range g.rand.IntN(4) {
		list = append(list, g.selectorRule())
	}
	return list
}

func (g *Generator) selectorRule() string {
	switch g.rand.IntN(10) {
	case 0, 1, 2:
		return g.keyRule()
	case 3:
		return g.pick([]string{"&*", "&abc", "&h*", "&m1", "allchannels", "resetchannels", "&", "& ", "&x\x00"})
	case 4, 5:
		return g.pick([]string{"+@", "-@"}) + g.anyCase(strings.ToUpper(g.pick(categories)))
	case 6:
		return g.pick([]string{"+@all", "-@all", "allcommands", "nocommands"})
	case 7:
		return g.pick([]string{"+select|0", "+select|1", "+get|k1", "+set|k1", "+client|id|x", "+select|", "+|", "+nosuch|x", "-get|k1", "+ping|"})
	}
	return g.pick([]string{"+", "-"}) + g.commandName()
}

var categories = []string{
	"keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo", "stream",
	"pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting", "all", "nosuch",
}

func (g *Generator) keyRule() string {
	return g.pick([]string{"~", "~", "~", "%R~", "%W~", "%RW~", "%r~", "%w~", "%R", "%X~", "%~"}) +
		g.pick([]string{"*", "k*", "s*", "h*", "m*", "z*", "k1", "[a-m]*", "?*", "*1", "", "\\*", "a b"})
}

// commandName is one that rules can be about, in any case; most of them are here.
func (g *Generator) commandName() string {
	name := g.pick([]string{"lpush", "eval", "xgroup|create", "xgroup", "nosuch", "config|nosuch", "client|", "function|load", "config", "client", "acl"})
	if g.chance(0.8) {
		name = g.rows[g.rand.IntN(len(g.rows))].FullName()
	}
	return g.anyCase(strings.ToUpper(name))
}

// sameRules compares descriptions of users: Redis's commands have no order.
func sameRules(j judged) bool {
	return described(judged{redis: rulesOf(j.redis), parley: rulesOf(j.parley)})
}

// rulesOf puts the words of each text in order, and drops the commands that Redis
// does not know.
func rulesOf(n node) node {
	if !n.aggregate() {
		text := strings.NewReplacer("(", " ( ", ")", " ) ").Replace(n.text)
		words := slices.DeleteFunc(strings.Fields(text), func(w string) bool {
			m := commands.Standard().Named([]byte(strings.TrimLeft(w, "+-")))
			return m != nil && m.Since > "7.0.16"
		})
		slices.Sort(words)
		n.raw = strings.Join(words, " ")
		return n
	}
	elems := n.elems
	n.elems = make([]node, len(elems))
	for i, e := range elems {
		n.elems[i] = rulesOf(e)
	}
	return n
}

// sameRefusals compares what the ACL log says, but for times and clients.
func sameRefusals(j judged) bool { return refusals(j.redis) == refusals(j.parley) }

func refusals(n node) string {
	var b strings.Builder
	for _, e := range n.elems {
		b.WriteByte(e.kind)
		for i := 0; i+1 < len(e.elems); i += 2 {
			if name := e.elems[i].text; name == "age-seconds" || name == "client-info" {
				b.WriteString(name)
			} else {
				b.WriteString(name + e.elems[i+1].raw)
			}
		}
	}
	return b.String()
}
