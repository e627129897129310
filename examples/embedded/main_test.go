package main

func Example() {
	main()
	// Output:
	// over TCP: "ann"
	// from Do: WRONGTYPE Operation against a key holding the wrong kind of value
}
