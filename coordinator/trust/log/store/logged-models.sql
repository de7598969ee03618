SELECT name, build, weights FROM logged_models
