"""`bursar doctor`: looks at an installation and says what is wrong and how to mend it. Changes nothing."""
