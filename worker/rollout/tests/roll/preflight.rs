//! What preflight refuses, what it lets pass with a word, and the plan that it makes.
