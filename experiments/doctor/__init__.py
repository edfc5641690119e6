"""The doctor: is a hand-written backward right, where is it wrong, what is wrong there, and how is it mended?"""
