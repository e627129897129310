package main

func Example() {
	main()
	// Output:
	// online: ann, bob
	// ann: Hello, bob
	// bob: Hi! I have to go soon
	// bob is offline
	// online: ann
	// history: Hello, bob
	// history: Hi! I have to go soon
}
