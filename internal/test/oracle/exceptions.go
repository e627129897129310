package oracle

import (
	"slices"
	"strconv"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// An exception is a row that cannot be compared byte for byte, and how it is
// compared instead.
type exception struct {
	reason string

	leftOut bool                           // never sent
	compare func(judged) bool              // of replies that are no errors; nil: byte for byte
	ask     func(words []string) []string  // a call before it that helps compare
	alone   func(*pair, *link, Call) error // runs the call; it cannot be part of a transaction
	when    func(words []string) bool      // alone is for such calls only; nil: for all
}

// A judged call is one whose replies differ, with the exchange before it on the
// same connection, which may be the answer to ask.
type judged struct {
	words         []string
	redis, parley node
	before        exchange
}

type exchange struct {
	words []string
	reply node // Redis's; parley's was found to be the same
}

const (
	noOrder      = "a hash table has no order"
	atRandom     = "picks at random"
	ownCursors   = "cursors are each server's own, and " + noOrder
	unevenScores = "with a large sorted set, members of different scores have no order that ranges of members could go by"
	setLater     = "the servers came to know the deadline at different times"
	pushes       = "pushes come between replies"
)

// exceptions are all rows that are not compared byte for byte, by their full
// names; "|help" is the one of all containers.
var exceptions map[string]exception

func init() {
	// Set here, since some of the functions lead back to the table.
	exceptions = map[string]exception{
		"hgetall":  {reason: noOrder, compare: unordered(2), ask: encoding},
		"hkeys":    {reason: noOrder, compare: unordered(1), ask: encoding},
		"hvals":    {reason: noOrder, compare: unordered(1), ask: encoding},
		"smembers": {reason: noOrder, compare: unordered(1), ask: encoding},
		"sdiff":    {reason: noOrder, compare: unordered(1)},
		"sinter":   {reason: noOrder, compare: unordered(1)},
		"sunion":   {reason: noOrder, compare: unordered(1)},
		"keys":     {reason: noOrder, compare: unordered(1)},

		"hrandfield":  {reason: atRandom, compare: picks("WITHVALUES"), ask: contents("HGETALL")},
		"srandmember": {reason: atRandom, compare: picks(""), ask: contents("SMEMBERS")},
		"zrandmember": {reason: atRandom, compare: picks("WITHSCORES"), ask: contents("ZRANGE", "0", "-1", "WITHSCORES")},
		"randomkey":   {reason: atRandom, compare: picks(""), ask: func([]string) []string { return []string{"KEYS", "*"} }},
		"spop":        {reason: "picks at random, and removes that", alone: pop},

		"scan":  {reason: ownCursors, alone: walk},
		"hscan": {reason: ownCursors, alone: walk, ask: encoding},
		"sscan": {reason: ownCursors, alone: walk, ask: encoding},
		"zscan": {reason: ownCursors, alone: walk, ask: encoding},

		"zlexcount":      {reason: unevenScores, alone: levelOnly},
		"zrangebylex":    {reason: unevenScores, alone: levelOnly},
		"zrevrangebylex": {reason: unevenScores, alone: levelOnly},
		"zremrangebylex": {reason: unevenScores, alone: levelOnly},
		"zrange":         {reason: unevenScores, alone: levelOnly, when: byLex},
		"zrangestore":    {reason: unevenScores, alone: levelOnly, when: byLex},

		"dump":    {reason: noOrder, alone: dumpBoth},
		"restore": {reason: "what it restores is dumped by a side when it is called", alone: restoreBoth},
		"sort":    {reason: "a hash table has no order, nor have members of one weight; STORE makes a list", alone: sortBoth},
		"sort_ro": {reason: "a hash table has no order, nor have members of one weight", alone: sortBoth},

		"ttl":         {reason: setLater, compare: near(1)},
		"pttl":        {reason: setLater, compare: near(1000)},
		"expiretime":  {reason: setLater, compare: nearDeadline(1)},
		"pexpiretime": {reason: setLater, compare: nearDeadline(1000)},
		"time":        {reason: "the servers are asked at different times", compare: shape},

		"object|refcount": {reason: "in Redis a queued call refers to its value, too", compare: orMore},
		"object|idletime": {reason: "small integers are one object in Redis, idle since any of them was used", compare: shape},
		"client|id":       {reason: "the servers have had different clients", compare: shape},
		"client|info":     {reason: "tells of the process", compare: shape},
		"client|list":     {reason: "tells of the process", compare: shape},
		"hello":           {reason: "holds the client's id", compare: greeting},

		"acl|setuser": {reason: "would change the rights of all that follows; see users_test.go", leftOut: true},
		"acl|deluser": {reason: "would end connections that follow; see users_test.go", leftOut: true},
		"acl|log":     {reason: "tells of time; see users_test.go", leftOut: true},
		"acl|genpass": {reason: "nobody can guess it", compare: shape},
		"acl|cat":     {reason: "Redis has more commands", compare: sameKnown},

		"|help":           {reason: "in our own words", leftOut: true},
		"command":         {reason: "Redis has more commands", leftOut: true, compare: func(judged) bool { return true }},
		"command|count":   {reason: "Redis has more commands", leftOut: true},
		"command|list":    {reason: "Redis has more commands", leftOut: true},
		"command|docs":    {reason: "summaries are our own; the rest is compared by the table's tests", leftOut: true},
		"command|info":    {reason: "sets have no order, remarks are our own; without names Redis lists more", compare: described},
		"dbsize":          {reason: "Redis may count keys whose deadline has passed", compare: orMore},
		"config|get":      {reason: "Redis has more parameters", leftOut: true},
		"config|set":      {reason: "would change the servers for all that follows", leftOut: true},
		"config|rewrite":  {reason: "needs a file", leftOut: true},
		"debug":           {reason: "tells of addresses and time, and holds up the server", leftOut: true},
		"info":            {reason: "tells of the process", leftOut: true},
		"shutdown":        {reason: "ends the server", leftOut: true},
		"quit":            {reason: "ends the connection", leftOut: true},
		"client|kill":     {reason: "ends connections", leftOut: true},
		"client|pause":    {reason: "holds back all that follows", leftOut: true},
		"client|reply":    {reason: "leaves calls without a reply", leftOut: true},
		"client|tracking": {reason: pushes, leftOut: true},
		"client|unblock":  {reason: "the servers have had different clients", leftOut: true},
		"subscribe":       {reason: pushes, leftOut: true},
		"psubscribe":      {reason: pushes, leftOut: true},
		"unsubscribe":     {reason: pushes, leftOut: true},
		"punsubscribe":    {reason: pushes, leftOut: true},
		"ssubscribe":      {reason: pushes, leftOut: true},
		"sunsubscribe":    {reason: pushes, leftOut: true},
		"pubsub|channels": {reason: "lists the oracle's own", compare: unordered(1)},

		"memory|usage":        {reason: "values take other room here", compare: shape},
		"memory|stats":        {reason: "tells of the process", leftOut: true},
		"memory|doctor":       {reason: "in our own words", leftOut: true},
		"memory|malloc-stats": {reason: "tells of the process", leftOut: true},
		"lolwut":              {reason: "another drawing", leftOut: true},
		"latency|latest":      {reason: "tells of time", leftOut: true},
		"latency|history":     {reason: "tells of time", leftOut: true},
		"latency|graph":       {reason: "tells of time", leftOut: true},
		"latency|reset":       {reason: "counts what took long", leftOut: true},
		"latency|doctor":      {reason: "in our own words", leftOut: true},
		"latency|histogram":   {reason: "tells of time", leftOut: true},
		"monitor":             {reason: "shows times and addresses; see commands/monitors_test.go", leftOut: true},
		"slowlog|get":         {reason: "tells of time", leftOut: true},
		"slowlog|len":         {reason: "tells of time", leftOut: true},
	}
}

// sameKnown compares names of commands that both servers know.
func sameKnown(j judged) bool {
	known := func(n node) (names []string) {
		for _, name := range n.leaves() {
			if m := commands.Standard().Named([]byte(name)); m != nil && m.Since < "7.0.16" {
				names = append(names, name)
			}
		}
		return names
	}
	return j.redis.kind == j.parley.kind && sameInAnyOrder(known(j.redis), known(j.parley))
}

func byLex(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, "BYLEX") })
}

// encoding asks whether the order matters after all.
func encoding(words []string) []string {
	if len(words) < 2 {
		return nil
	}
	return []string{"OBJECT", "ENCODING", words[1]}
}

// ordered reports whether the exchange before says that the key of a call has
// an encoding with an order.
func (j judged) ordered() bool {
	w := j.before.words
	return len(w) == 3 && len(j.words) > 1 && w[0] == "OBJECT" && w[2] == j.words[1] &&
		(j.before.reply.text == "listpack" || j.before.reply.text == "intset")
}

// unordered compares the elements in any order, step of them kept together.
func unordered(step int) func(judged) bool {
	return func(j judged) bool {
		if j.ordered() || j.redis.kind != j.parley.kind {
			return false
		}
		return sameInAnyOrder(j.redis.units(step), j.parley.units(step))
	}
}

func sameInAnyOrder(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// described compares descriptions of commands: sets within in any order, and
// without the remarks, which are our own.
func described(j judged) bool {
	return len(j.words) == 2 || description(j.redis) == description(j.parley)
}

func description(n node) string {
	if !n.aggregate() {
		return n.raw
	}
	var parts []string
	for i := 0; i < len(n.elems); i++ {
		if n.elems[i].text == "notes" {
			i++
			continue
		}
		parts = append(parts, description(n.elems[i]))
	}
	if n.kind == '~' {
		slices.Sort(parts)
	}
	return string(n.kind) + "(" + strings.Join(parts, "") + ")"
}

// greeting compares what HELLO says but for the client's number.
func greeting(j judged) bool {
	a, b := j.redis.leaves(), j.parley.leaves()
	at := slices.Index(a, "id") + 1
	return sameShape(j.redis, j.parley) && slices.Equal(slices.Delete(a, at, at+1), slices.Delete(b, at, at+1))
}

// orMore allows Redis to count more.
func orMore(j judged) bool {
	a, errA := strconv.Atoi(j.redis.text)
	b, errB := strconv.Atoi(j.parley.text)
	return errA == nil && errB == nil && j.redis.kind == j.parley.kind && a >= b
}

// contents asks for all that a pick may be.
func contents(name string, more ...string) func([]string) []string {
	return func(words []string) []string {
		if len(words) < 2 {
			return nil
		}
		return append([]string{name, words[1]}, more...)
	}
}

// picks compares how many were picked, and whether each was there to be picked,
// if the exchange before was the question for all there is. withPairs is the
// option that makes elements come in pairs.
func picks(withPairs string) func(judged) bool {
	return func(j judged) bool {
		if j.redis.kind != j.parley.kind || len(j.redis.elems) != len(j.parley.elems) || j.redis.null() || j.parley.null() {
			return false
		}
		width := 1
		if withPairs != "" && len(j.words) > 3 {
			width = 2
		}
		picked := grouped(j.parley.leaves(), width)
		distinct := len(j.words) > 2 && !strings.HasPrefix(j.words[2], "-")
		return j.there(picked, width) && !(distinct && repeated(picked))
	}
}

// there reports whether the exchange before, if it was the question, lists all
// that was picked: members, or pairs of width 2.
func (j judged) there(picked []string, width int) bool {
	asked := j.before.words
	about := len(asked) > 1 && len(j.words) > 1 && asked[1] == j.words[1]
	var there []string
	switch all := j.before.reply; {
	case len(asked) == 2 && asked[0] == "KEYS" && asked[1] == "*" && len(j.words) == 1, about && asked[0] == "SMEMBERS":
		there = all.leaves()
	case about && (asked[0] == "HGETALL" || asked[0] == "ZRANGE" && len(asked) == 5):
		there = all.leaves()
		if width == 1 {
			there = firsts(there)
		}
	default:
		return true
	}
	there = grouped(there, width)
	for _, p := range picked {
		if !slices.Contains(there, p) {
			return false
		}
	}
	return true
}

func grouped(list []string, width int) []string {
	var groups []string
	for g := range slices.Chunk(list, width) {
		groups = append(groups, strings.Join(g, "\x00"))
	}
	return groups
}

func firsts(list []string) []string {
	var out []string
	for pair := range slices.Chunk(list, 2) {
		out = append(out, pair[0])
	}
	return out
}

func repeated(list []string) bool {
	sorted := slices.Sorted(slices.Values(list))
	return len(slices.Compact(sorted)) < len(list)
}

// clockSkew is, in seconds, by how much the servers may be apart in time.
const clockSkew = 10

// near compares numbers that go by the time of a call; unit is how many make a second.
func near(unit int64) func(judged) bool {
	return func(j judged) bool {
		a, errA := strconv.ParseInt(j.redis.text, 10, 64)
		b, errB := strconv.ParseInt(j.parley.text, 10, 64)
		if errA != nil || errB != nil || j.redis.kind != j.parley.kind || a < 0 || b < 0 {
			return false
		}
		return max(a, b)-min(a, b) <= clockSkew*unit
	}
}

// nearDeadline is near for times, of which the absolute ones are known exactly.
func nearDeadline(unit int64) func(judged) bool {
	return func(j judged) bool {
		a, _ := strconv.ParseInt(j.redis.text, 10, 64)
		return (a < firstAbsolute*unit || a > 2*firstAbsolute*unit) && near(unit)(j)
	}
}

// shape compares types and lengths.
func shape(j judged) bool { return sameShape(j.redis, j.parley) }

func sameShape(a, b node) bool {
	if a.kind != b.kind || len(a.elems) != len(b.elems) {
		return false
	}
	for i := range a.elems {
		if !sameShape(a.elems[i], b.elems[i]) {
			return false
		}
	}
	return true
}
