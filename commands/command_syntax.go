package commands

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// An Argument is one part of a command's syntax, as COMMAND DOCS describes it
// (https://redis.io/docs/latest/develop/reference/command-arguments/).
type Argument struct {
	Name  string
	Token string // the word that introduces the argument, or that a pure-token is
	Type  string // key, string, integer, double, pattern, unix-time, pure-token, oneof or block

	Optional      bool
	Multiple      bool // may be repeated
	MultipleToken bool // the token is repeated too

	// Arguments are the choices of a oneof, or what a block holds in this order.
	Arguments []Argument
}

// typesOfNames gives the types of arguments by their names, where the row's
// Types do not. Names not found are strings.
var typesOfNames = func() map[string]string {
	types := make(map[string]string)
	for kind, names := range map[string]string{
		"key": "key key1 key2 newkey source destination src dst destkey sourcekey",
		"integer": "bit bits client-id cluster_bus_port config-epoch count cursor db decrement destination-db end end-slot " +
			"frequency increment index index1 index2 len limit milliseconds numfields numkeys numreplicas " +
			"offset port protover seconds slot start start-slot stop timeout ttl version weight",
		"double":    "score",
		"pattern":   "pattern",
		"unix-time": "unix-time-seconds unix-time-milliseconds",
	} {
		for name := range strings.FieldsSeq(names) {
			types[name] = kind
		}
	}
	return types
}()

// Arguments returns the row's Syntax as a tree. Rows of a Table parse it once.
func (m *Command) Arguments() []Argument {
	if m.arguments != nil {
		return m.arguments()
	}
	return m.parseArguments()
}

func (m *Command) parseArguments() []Argument {
	list, err := parseSyntax(m.Syntax, m.Types)
	if err != nil {
		panic(fmt.Sprintf("commands: row %q: %v", m.FullName(), err))
	}
	return list
}

// parseSyntax reads the manual's notation. Words in capitals are tokens, others stand for
// values. [a] may be omitted, <a | b> and [a | b] are choices, and [x ...] repeats the x
// before it. types gives the types of arguments by name.
func parseSyntax(syntax string, types map[string]string) ([]Argument, error) {
	p := syntaxParser{types: types, words: syntaxWords(syntax)}
	s, err := p.scope("")
	switch {
	case err != nil:
		return nil, fmt.Errorf("syntax %q: %w", syntax, err)
	case len(s) == 1:
		list, err := p.sequence(s[0])
		if err != nil {
			return nil, fmt.Errorf("syntax %q: %w", syntax, err)
		}
		return list, nil
	}
	return nil, fmt.Errorf("syntax %q: a choice needs brackets around it", syntax)
}

// syntaxWords cuts a text into words and brackets.
func syntaxWords(text string) []string {
	for _, mark := range []string{"[", "]", "<", ">", "|"} {
		text = strings.ReplaceAll(text, mark, " "+mark+" ")
	}
	return strings.Fields(text)
}

// A syntaxParser reads a text into nodes first, by its brackets, and then makes
// arguments of the nodes, since what a repetition repeats lies before it.
type syntaxParser struct {
	types map[string]string // of the row
	words []string
}

// A syntaxNode is a word, or a pair of brackets with the alternatives inside.
type syntaxNode struct {
	text    string // as written, with single spaces between the words
	bracket string // "[", "<", "x" for a repeated run of nodes, or "" for a word
	inside  [][]syntaxNode
	repeats bool // [x ...]
	twice   bool // a repeated run whose token is repeated too
}

// scope reads alternatives up to the closing bracket, or to the end for "".
func (p *syntaxParser) scope(closing string) ([][]syntaxNode, error) {
	alternatives := [][]syntaxNode{nil}
	for len(p.words) > 0 {
		word := p.words[0]
		p.words = p.words[1:]
		last := &alternatives[len(alternatives)-1]
		switch word {
		case "|":
			alternatives = append(alternatives, nil)
		case "[", "<":
			n, err := p.bracket(word)
			if err != nil {
				return nil, err
			}
			*last = append(*last, n)
		case "]", ">":
			if word != closing {
				return nil, fmt.Errorf("stray %q", word)
			}
			return alternatives, checkAlternatives(alternatives)
		default:
			*last = append(*last, syntaxNode{text: word})
		}
	}
	if closing != "" {
		return nil, fmt.Errorf("missing %q", closing)
	}
	if len(alternatives) == 1 {
		return alternatives, nil // of a command without arguments
	}
	return alternatives, checkAlternatives(alternatives)
}

func checkAlternatives(alternatives [][]syntaxNode) error {
	for _, a := range alternatives {
		if len(a) == 0 {
			return fmt.Errorf("nothing between brackets")
		}
	}
	return nil
}

func (p *syntaxParser) bracket(open string) (syntaxNode, error) {
	closing := map[string]string{"[": "]", "<": ">"}[open]
	inside, err := p.scope(closing)
	if err != nil {
		return syntaxNode{}, err
	}
	n := syntaxNode{bracket: open, inside: inside, text: open + textOf(inside) + closing}
	tail := inside[len(inside)-1]
	n.repeats = open == "[" && tail[len(tail)-1].text == "..."
	return n, nil
}

func textOf(alternatives [][]syntaxNode) string {
	var texts []string
	for _, a := range alternatives {
		texts = append(texts, textOfRun(a))
	}
	return strings.Join(texts, " | ")
}

func textOfRun(nodes []syntaxNode) string {
	texts := make([]string, len(nodes))
	for i, n := range nodes {
		texts[i] = n.text
	}
	return strings.Join(texts, " ")
}

// one makes a single argument of what stands between brackets.
func (p *syntaxParser) one(alternatives [][]syntaxNode) (Argument, error) {
	rest, repeated := repeatedChoice(alternatives)
	if repeated {
		a, err := p.one(rest)
		a.Multiple = true
		return a, err
	}
	if len(alternatives) == 1 {
		return p.grouped(alternatives[0])
	}
	choice := Argument{Type: "oneof"}
	if first := alternatives[0]; len(first) > 1 && isToken(first[0]) && isToken(first[1]) {
		// [TYPE NORMAL | PUBSUB]: the word belongs to all choices.
		choice.Token = first[0].text
		alternatives = append([][]syntaxNode{first[1:]}, alternatives[1:]...)
	}
	for _, nodes := range alternatives {
		a, err := p.grouped(nodes)
		if err != nil {
			return Argument{}, err
		}
		choice.Arguments = append(choice.Arguments, a)
	}
	choice.Name = containerName(choice)
	return choice, nil
}

// repeatedChoice finds the form a | b [a | b ...], and gives a | b.
func repeatedChoice(alternatives [][]syntaxNode) (rest [][]syntaxNode, ok bool) {
	tail := alternatives[len(alternatives)-1]
	last := tail[len(tail)-1]
	if len(alternatives) < 2 || len(tail) < 2 || !last.repeats {
		return nil, false
	}
	rest = slices.Clone(alternatives)
	rest[len(rest)-1] = tail[:len(tail)-1]
	return rest, last.text == "["+textOf(rest)+" ...]"
}

// grouped makes one argument of a run of nodes: a block if they are several.
func (p *syntaxParser) grouped(nodes []syntaxNode) (Argument, error) {
	list, err := p.sequence(nodes)
	if err != nil {
		return Argument{}, err
	}
	if len(list) == 1 {
		return list[0], nil
	}
	block := Argument{Type: "block", Arguments: list}
	block.Name = containerName(block)
	return block, nil
}

// sequence makes arguments of nodes that follow each other.
func (p *syntaxParser) sequence(nodes []syntaxNode) ([]Argument, error) {
	nodes, err := foldRepeats(nodes)
	if err != nil {
		return nil, err
	}
	var list []Argument
	for len(nodes) > 0 {
		var a Argument
		n := nodes[0]
		nodes = nodes[1:]
		if isToken(n) {
			// A token introduces the values up to the next option.
			values := 0
			for values < len(nodes) && nodes[values].bracket != "[" && !isToken(nodes[values]) && !nodes[values].twice {
				values++
			}
			a, err = p.introduced(n.text, nodes[:values])
			nodes = nodes[values:]
		} else {
			a, err = p.argument(n)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

func (p *syntaxParser) introduced(token string, values []syntaxNode) (Argument, error) {
	if len(values) == 0 {
		return Argument{Name: strings.ToLower(token), Token: token, Type: "pure-token"}, nil
	}
	a, err := p.grouped(values)
	a.Token = token
	if a.Type == "oneof" {
		a.Name = containerName(a)
	}
	return a, err
}

func (p *syntaxParser) argument(n syntaxNode) (Argument, error) {
	if n.bracket == "" {
		return Argument{Name: n.text, Type: p.typeOf(n.text)}, nil
	}
	a, err := p.one(n.inside)
	switch n.bracket {
	case "[":
		a.Optional = true
	case "x":
		a.Multiple, a.MultipleToken = true, n.twice
	}
	return a, err
}

// foldRepeats makes one node of each repetition and what it repeats.
func foldRepeats(nodes []syntaxNode) ([]syntaxNode, error) {
	var out []syntaxNode
	for _, n := range nodes {
		if n.text == "..." {
			return nil, fmt.Errorf("stray %q", n.text)
		}
		if !n.repeats {
			out = append(out, n)
			continue
		}
		from := len(out) - 1
		for from >= 0 && "["+textOfRun(out[from:])+" ...]" != n.text {
			from--
		}
		if from < 0 {
			return nil, fmt.Errorf("%s repeats nothing before it", n.text)
		}
		run := slices.Clone(out[from:])
		out = append(out[:from], syntaxNode{
			text: textOfRun(run) + " " + n.text, bracket: "x", inside: [][]syntaxNode{run}, twice: isToken(run[0]),
		})
	}
	return out, nil
}

func (p *syntaxParser) typeOf(name string) string {
	return cmp.Or(p.types[name], typesOfNames[name], "string")
}

// isToken reports whether a node is a word that callers write as it stands.
func isToken(n syntaxNode) bool {
	return n.bracket == "" && n.text != "..." && n.text == strings.ToUpper(n.text)
}

// containerName names a choice or a block, which the notation does not do.
func containerName(a Argument) string {
	if a.Token != "" {
		return strings.ToLower(a.Token)
	}
	names := make([]string, len(a.Arguments))
	for i, b := range a.Arguments {
		names[i] = b.Name
	}
	return strings.Join(names, "_")
}
