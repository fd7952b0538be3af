plugin "terraform" {
  enabled = true
  preset  = "all"
}

# Variables are in several files by subject: in one file they would be hard to find.
rule "terraform_standard_module_structure" {
  enabled = false
}
