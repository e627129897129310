// Package commands holds the commands, and the contract between them and a server.
//
// A command is one row of data and one function; the row holds all that is true of the
// command. COMMAND, COMMAND DOCS, arity errors and key positions derive from the rows, so
// adding a command touches one family file and one transcript.
//
// The prefix of a file's name says what it holds:
//
//   - command: rows, the table, key specifications, syntax, redaction
//   - context: what a handler may call during one call
//   - state: what all calls of a server share, under the engine's lock
//   - client, config, acl: clients, configuration, users and permissions
//   - args: numbers, times and quoted words, read and written
//   - cmd: one family of commands each, the rows and their handlers
//
// Any program may import the package: rows can be added to a server (see Extended), and
// tests read its State. The API may change in any minor version before 1.0. The promise of
// a stable API within a minor version covers packages server, servertest, ops and resp only.
package commands

import "strings"

// A Command is one row of the table.
//
// Redis has a second level for some (CLIENT LIST, CONFIG GET): those rows hold
// Subs and, but for COMMAND, no Run.
type Command struct {
	Name       string            // lower case; a row in Subs has its own word only
	Syntax     string            // the words behind the name, in the manual's notation; see Argument
	Types      map[string]string // types of arguments that their names do not imply
	Summary    string
	Since      string // the version of Redis that brought it
	Group      string // the manual's chapter: "string", "hash", "sorted-set", ...
	Complexity string
	Arity      int // n: exactly n words, the name included; -n: at least n
	Flags      Flags
	Keys       Keys
	Channels   ChannelWords
	ACL        Category // 0: the category that Group and Flags imply
	Tips       []string // hints for proxies and cluster clients
	Deprecated string   // the version since which ReplacedBy is preferred, or ""
	ReplacedBy string
	Subs       []Command
	Secrets    func(args [][]byte) []int // the places of secret words; nil: none. See Redact
	Run        func(*Context) error

	added  bool // a program has added it: its replies are checked
	id     int  // place among all rows and sub-rows of a table
	parent *Command
	subs   map[string]*Command

	arguments func() []Argument // Syntax, parsed at the first use
}

// FullName is the name that clients see: "get", "client|list".
func (m *Command) FullName() string {
	if m.parent == nil {
		return m.Name
	}
	return m.parent.Name + "|" + m.Name
}

// Accepts reports whether a call of n words, the names included, has as many
// as the row asks for.
func (m *Command) Accepts(n int) bool {
	if m.Arity >= 0 {
		return n == m.Arity
	}
	return n >= -m.Arity
}

// Has reports whether all of the given flags are set.
func (m *Command) Has(f Flags) bool { return m.Flags&f == f }

// Flags are properties of a command. Those up to AllowBusy are Redis's and
// are told to clients; the others are ours.
type Flags uint32

// The flags, in the order in which COMMAND INFO lists them.
const (
	Write           Flags = 1 << iota // may change data
	ReadOnly                          // reads data and changes nothing, so that it may run beside other reads
	DenyOOM                           // refused when memory is full
	Admin                             // for operators
	PubSub                            // about channels
	NoScript                          // not from scripts
	Blocking                          // may wait
	Loading                           // allowed while data is being loaded
	Stale                             // allowed on a replica without its master
	SkipMonitor                       // not shown to MONITOR
	SkipSlowlog                       // not kept in the slow log
	asking                            // cluster: accepts an importing slot
	Fast                              // takes constant or logarithmic time
	NoAuth                            // allowed before authentication
	noMandatoryKeys                   // has keys in some forms only
	noAsyncLoading                    // not while a replica loads in the background
	NoMulti                           // not inside MULTI
	movableKeys                       // key positions depend on the arguments; set by NewTable
	AllowBusy                         // allowed while a script hangs

	Immediate       // runs at once inside MULTI instead of being queued
	NeedsConnection // about the caller's connection: refused without one
	Subscribed      // allowed while a RESP2 client is subscribed
	EndsMulti       // ends a transaction even if it is refused
	LeavesMulti     // ends a transaction, so that one may run though memory is full
	Exclusive       // ReadOnly, but no other read may run beside it: it changes how a value is kept
	mayReplicate    // a replica would be told of it though it is no write; Redis keeps that to itself
	Protected       // only where the operator has allowed it
	Authenticates   // may present a password
	keepsCaching    // of a row with others below: CLIENT CACHING is about none of those
	SysCmd          // COMMAND DOCS says that it is not for everyday use
	Hidden          // a test's own: hidden from recorders and statistics
)

var flagNames = [...]string{
	"write", "readonly", "denyoom", "admin", "pubsub", "noscript", "blocking",
	"loading", "stale", "skip_monitor", "skip_slowlog", "asking", "fast",
	"no_auth", "no_mandatory_keys", "no_async_loading",
	"no_multi", "movablekeys", "allow_busy",
}

// names lists the flags in Redis's words.
func (f Flags) names() []string { return bitNames(f, flagNames[:]) }

func bitNames[T ~uint32](bits T, names []string) []string {
	list := make([]string, 0, 4)
	for i, name := range names {
		if bits&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return list
}

// A Category is a set of ACL categories.
type Category uint32

// The categories, in the order in which COMMAND INFO lists them.
const (
	catKeyspace Category = 1 << iota
	catRead
	catWrite
	catSet
	catSortedSet
	catList
	catHash
	catString
	catBitmap
	catHyperLogLog
	catGeo
	catStream
	catPubSub
	catAdmin
	catFast
	catSlow
	catBlocking
	catDangerous
	catConnection
	catTransaction
	catScripting
)

var categoryNames = [...]string{
	"keyspace", "read", "write", "set", "sortedset", "list", "hash", "string",
	"bitmap", "hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow",
	"blocking", "dangerous", "connection", "transaction", "scripting",
}

// names lists the categories without the @ that ACL rules put before them.
func (c Category) names() []string { return bitNames(c, categoryNames[:]) }

var groupCategories = map[string]Category{
	"generic":      catKeyspace,
	"string":       catString,
	"hash":         catHash,
	"set":          catSet,
	"sorted-set":   catSortedSet,
	"pubsub":       catPubSub,
	"connection":   catConnection,
	"transactions": catTransaction,
}

// Categories returns the row's ACL categories: those its flags imply, and those
// of its group unless the row names its own. A row that only holds others has
// none of a group.
func (m *Command) Categories() Category {
	c := m.ACL
	if c == 0 && len(m.Subs) == 0 {
		c = groupCategories[m.Group]
	}
	implied := []struct {
		flag     Flags
		category Category
	}{
		{Write, catWrite}, {ReadOnly, catRead}, {Admin, catAdmin | catDangerous},
		{PubSub, catPubSub}, {Fast, catFast}, {Blocking, catBlocking},
	}
	for _, i := range implied {
		if m.Has(i.flag) {
			c |= i.category
		}
	}
	if !m.Has(Fast) {
		c |= catSlow
	}
	return c
}

// CategoryNamed finds a category by its name without the @; 0 if there is none.
func CategoryNamed(name []byte) Category {
	for i, known := range categoryNames {
		if Is(name, strings.ToUpper(known)) {
			return 1 << i
		}
	}
	return 0
}
